"""Tables as public sources write them, made small, equal cell by cell to an independent reading of the text."""

import csv
import io
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.extract.wide_files.excel_files.test_sheets import Workbook
from tests.tasks.extract.wide_files.test_wide_file import TODAY, dates_of, read

DICE = random.Random(20)
DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(60)]
Table = Sequence[Sequence[object]]
Cells = dict[tuple[str, date], float]


def numbers(count: int = len(DAYS)) -> list[str]:
    return ["" if DICE.random() < 0.1 else f"{DICE.lognormvariate(3, 2):.4f}" for _ in range(count)]


def epidemic() -> Table:
    """Johns Hopkins: a province and a country identify, and dates are American, with years of two digits."""
    places = [("Hubei", "China"), ("Hunan", "China"), ("", "Korea, South"), ("", "Côte d'Ivoire"), ("", "China")]
    header = ["Province/State", "Country/Region", "Lat", "Long", *(f"{d.month}/{d.day}/{d:%y}" for d in DAYS)]
    return [header, *([*place, "1.5", "-2.25", *numbers()] for place in places)]


def home_values() -> Table:
    """Zillow: ISO dates, a number that ranks, and names with commas."""
    header = ["RegionID", "SizeRank", "RegionName", "StateName", *map(str, DAYS)]
    regions = [(394913 + n, n, f'"{n}" Town, NY', "NY") for n in range(40)]
    return [header, *([*region, *numbers()] for region in regions)]


def euro_rates() -> Table:
    """The European Central Bank: dates as rows, the newest first, N/A, and a comma at the end of each line."""
    rows = [[d, *(n or "N/A" for n in numbers(30)), ""] for d in reversed(DAYS)]
    return [["Date", *(f"C{n:02}" for n in range(30)), ""], *rows]


def federal_rates() -> Table:
    """The Federal Reserve: five lines above the codes, of which one describes them at length, and ND."""
    about = [f'Yield at {n}-year constant maturity, quoted on an "investment" basis; percent' for n in range(1, 8)]
    above = [["Series Description", *about], *([f"{name}:", *["x"] * 7] for name in ("Unit", "Multiplier", "Currency"))]
    codes = [["Time Period", *(f"RIFLGFCY{n:02}_N.B" for n in range(1, 8))]]
    return [*above, *codes, *([d, *(n or "ND" for n in numbers(7))] for d in DAYS)]


def statistics() -> Table:
    """Eurostat: a long identifier in one cell of several parts, tabulators, spaces, and a colon for nothing."""
    header = ["freq,statinfo,unit,currency\\TIME_PERIOD", *(f"{d} " for d in DAYS)]
    return [header, *([f"D,AVG,NAC,{code}", *(f"{n or ':'} " for n in numbers())] for code in ("AUD", "BGN", "CHF"))]


@pytest.mark.parametrize(
    ("make", "layout", "identifiers", "first", "form"),
    [
        (epidemic, {"identifier": ["Province/State", "Country/Region"], "ignore": ["Lat", "Long"]}, 2, 4, "%m/%d/%y"),
        (home_values, {"ignore": ["SizeRank"]}, 1, 4, "%Y-%m-%d"),
        (statistics, {}, 1, 1, "%Y-%m-%d"),
    ],
)
def test_dates_in_the_header(
    tmp_path: Path, make: Any, layout: dict[str, Any], identifiers: int, first: int, form: str
):
    text = written(make(), "\t" if make is statistics else ",")
    header, *rows = csv.reader(io.StringIO(text), delimiter="\t" if make is statistics else ",")
    wanted = {
        ("|".join(row[:identifiers]), datetime.strptime(name.strip(), form).date()): float(cell)  # noqa: DTZ007 - a day
        for row in rows
        for name, cell in list(zip(header, row, strict=True))[first:]
        if cell.strip(" :")
    }
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    assert cells(path, **layout, **({"date_format": form} if form != "%Y-%m-%d" else {})) == wanted


@pytest.mark.parametrize(("make", "above", "no_value"), [(euro_rates, 0, "n/a"), (federal_rates, 4, "nd")])
def test_dates_as_rows(tmp_path: Path, make: Any, above: int, no_value: str) -> None:
    text = written(make())
    header, *rows = list(csv.reader(io.StringIO(text)))[above:]
    wanted = {
        (code, date.fromisoformat(row[0])): float(cell)
        for row in rows
        for code, cell in list(zip(header, row, strict=True))[1:]
        if cell and cell.lower() != no_value
    }
    path = tmp_path / "file"
    path.write_text(text)
    assert cells(path, skip_rows=above, no_value=[no_value]) == wanted


def test_a_workbook_of_several_sheets(tmp_path: Path) -> None:
    """The Bank of England: notes, and a curve of which the header has two lines, the maturity below its name."""
    curve = {f"{n / 2:g}": [float(cell) if cell else None for cell in numbers()] for n in range(1, 30)}
    book = Workbook(tmp_path / "file")
    book.sheet([["Contents"], ["1. spot curve"]], "info")
    rows = [[day, *(values[n] for values in curve.values())] for n, day in enumerate(DAYS)]
    book.sheet([["UK nominal spot curve"], ["Maturity"], ["years:", *map(float, curve)], *rows], "1. spot curve")
    book.save()
    wanted = {(c, d): v for c, values in curve.items() for d, v in zip(DAYS, values, strict=True) if v is not None}
    assert cells(tmp_path / "file", sheet="1. spot curve", skip_rows=2) == wanted


def cells(path: Path, **layout: Any) -> Cells:
    days = dates_of(path, **layout)
    assert max(days) <= TODAY
    found = read(path, **layout)
    return {(c, d): v for c, values in found.items() for d, v in zip(days, values, strict=True) if v is not None}


def written(table: Table, separator: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(table)
    return text.getvalue()
