"""Excel workbooks, written by a library as Excel writes them."""

import re
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter  # type: ignore[import-untyped]

from tasks.errors import ContractError
from tests.tasks.extract.wide_files.test_wide_file import dates_of, read, rows_of

DATES = [date(2024, 1, 31), date(2024, 2, 1)]


class Workbook:
    def __init__(self, path: Path) -> None:
        self.book = xlsxwriter.Workbook(str(path), {"default_date_format": "dd/mm/yyyy"})

    def sheet(self, rows: Sequence[Sequence[object]], name: str | None = None, corner: tuple[int, int] = (0, 0)) -> Any:
        """A sheet of these rows, the first cell at the corner. Moments become dates of Excel, not texts."""
        sheet = self.book.add_worksheet(name)
        for number, row in enumerate(rows):
            for place, cell in enumerate(row):
                sheet.write(corner[0] + number, corner[1] + place, cell)
        return sheet

    def save(self) -> None:
        self.book.close()


def excel(path: Path, *rows: Sequence[object]) -> None:
    book = Workbook(path)
    book.sheet(rows)
    book.save()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dropped.csv"  # whatever it is called


def test_real_dates(path):
    excel(path, ["id", "name", *DATES], ["A", "x", 1.5, 1 / 3], [12345, "y", 1e-12, -2])
    assert dates_of(path) == [date(2024, 1, 31), date(2024, 2, 1)]
    assert read(path) == {"A": [1.5, 1 / 3], "12345": [1e-12, -2]}


def test_dates_as_texts(path):
    excel(path, ["id", "31/01/2024", "01/02/2024"], ["A", 1.5, 2.5])
    assert dates_of(path) == [date(2024, 1, 31), date(2024, 2, 1)]
    assert read(path) == {"A": [1.5, 2.5]}


@pytest.mark.parametrize("decimal", [None, "."])
def test_numbers_are_what_they_are_and_texts_are_read_as_in_csv(path, decimal):
    excel(path, ["id", *DATES], ["A", 1.234, "1,234.5"], ["B", " 2.5 ", "n/a"], ["C", "1e3", 1234])
    assert read(path, decimal=decimal) == {"A": [1.234, 1234.5], "B": [2.5, None], "C": [1000, 1234]}


def test_a_decimal_comma_is_for_texts_only(path):
    excel(path, ["id", *DATES], ["A", 1.234, "1.234"], ["B", 12.5, "12,5"])
    assert read(path) == {"A": [1.234, 1234], "B": [12.5, 12.5]}
    excel(path, ["id", *DATES], ["A", 1.234, "1.234"])
    with pytest.raises(ContractError, match=r"'1\.234' may be a number of thousands"):
        read(path)
    assert read(path, decimal=",") == {"A": [1.234, 1234]}


def test_what_is_no_number(path):
    book = Workbook(path)
    sheet = book.sheet([["id", *DATES], ["A", 1.5], ["B", True, "abc"], ["C", date(2024, 3, 1), 0]])
    sheet.write_formula(1, 2, "=1/0", None, "#DIV/0!")
    book.save()
    assert rows_of(path).select("row", "values", "unread_at", "unread").rows() == [
        (2, [1.5, None], [1], ["error Div0"]),
        (3, [None, None], [0, 1], ["TRUE", "abc"]),
        (4, [None, 0], [0], ["2024-03-01 00:00:00"]),
    ]


def test_formulas_count_with_what_they_came_to(path):
    book = Workbook(path)
    sheet = book.sheet([["id", *DATES], ["A", 1.5]])
    sheet.write_formula(1, 2, "=B2*2", None, 3)
    book.save()
    assert read(path) == {"A": [1.5, 3]}


def test_formulas_that_were_never_computed_are_no_numbers(path):
    """The library writes 0 for them, and that Excel is to compute all when it opens the workbook."""
    book = Workbook(path)
    sheet = book.sheet([["id", "name", *DATES], ["A", "x", 1.5, 0], [None, "y", 2.5]], corner=(2, 2))
    sheet.write_formula(3, 3, '="na"&"me"', None, "")
    sheet.write_formula(4, 2, "=A1&A2", None, 0)
    sheet.write_formula(4, 5, "=E5*2")
    book.save()
    assert rows_of(path).select("code", "values", "unread_at", "unread").rows() == [
        ("A", [1.5, 0], None, None),
        (None, [2.5, None], [1], ["=E5*2"]),
    ]


@pytest.mark.parametrize("cell", ["<c{}><f>B2*2</f><v/></c>", "<c{}><f>B2*2</f><v></v></c>", "<c{}><f>B2*2</f></c>"])
@pytest.mark.parametrize("place", ["", ' r="C2"'])
@pytest.mark.parametrize("prefix", ["", "x:"])
def test_formulas_without_a_result_are_no_empty_cells(path, cell, place, prefix):
    excel(path, ["id", *DATES], ["A", 1.5, "="])
    other = path.with_name("other")
    with zipfile.ZipFile(path) as book, zipfile.ZipFile(other, "w") as changed:
        for part in book.namelist():
            text = book.read(part)
            if part.endswith("sheet1.xml"):
                text = re.sub(rb'<c r="C2".*?</c>', cell.format(place).encode(), text)
                if prefix:
                    text = re.sub(rb"<(/?)(\w+)(?=[ />])", rb"<\1x:\2", text).replace(b"xmlns=", b"xmlns:x=", 1)
            changed.writestr(part, text)
    assert rows_of(other).select("values", "unread_at", "unread").rows() == [([1.5, None], [1], ["=B2*2"])]


def test_a_row_of_which_nothing_was_computed_is_refused(path):
    book = Workbook(path)
    sheet = book.sheet([["id", *DATES], ["A", 1.5, 2.5]])
    for place in range(3):
        sheet.write_formula(2, place, f"=A{place}", None, 0)
    book.save()
    with zipfile.ZipFile(path) as book_, zipfile.ZipFile(path.with_name("other"), "w") as changed:
        for part in book_.namelist():
            changed.writestr(part, book_.read(part).replace(b"</f><v>0</v>", b"</f>"))
    with pytest.raises(ContractError, match=r"The formula =A0 in row 3 was never computed.*Open the"):
        read(path.with_name("other"))


def test_a_table_somewhere_on_one_of_several_sheets(path):
    book = Workbook(path)
    book.sheet([["nothing here"]], "Notes")
    rows: list[list[object]] = [["Title"], [], ["id", *DATES, None, None], ["A", 1.5, 2.5], [], ["B", 3.5]]
    sheet = book.sheet(rows, "Data", corner=(3, 2))
    sheet.write_formula(8, 4, "=1/0", None, "#DIV/0!")
    book.save()
    for name in (None, "data"):
        with pytest.raises(ContractError, match=r"sheets Notes, Data. Set layout.sheet"):
            read(path, sheet=name)
    found = rows_of(path, sheet="Data", skip_rows=4)
    assert found.select("row", "code", "values", "unread").rows() == [
        (7, "A", [1.5, 2.5], None),
        (9, "B", [3.5, None], ["error Div0"]),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[]], "The sheet is empty"),
        ([["id", *DATES]], "no row below its header"),
        ([["id", *DATES, "Total"], ["A", 1, 2, 3]], "these columns are none: 'Total'"),
        ([["id", *DATES, None], ["A", 1, 2, 3]], "Row 2 has a value in column 4, which has no name"),
        ([["id", datetime.fromisoformat("2024-01-31T18:00")], ["A", 1]], "None of the 2 columns is a date"),
        ([["id", 45322], ["A", 1]], "None of the 2 columns is a date.*'45322'"),
    ],
)
def test_what_is_refused(path, rows, message):
    excel(path, *rows)
    with pytest.raises(ContractError, match=message):
        read(path)


def test_a_sheet_of_many_rows_comes_whole(path):
    excel(path, ["id", *DATES], *(([f"C{n}", n, -n]) for n in range(12_000)))
    rows = rows_of(path)
    assert rows["row"].to_list() == list(range(2, 12_002))
    assert rows["values"].tail(1).to_list() == [[11_999, -11_999]]


def test_identifiers_that_are_numbers(path):
    excel(path, ["id", *DATES], [12345, 1.5], [0.25, 2.5], [123456789012, 3.5], ["007", 4.5], [None, 5.5])
    assert rows_of(path)["code"].to_list() == ["12345", "0.25", "123456789012", "007", None]


def test_identifiers_that_excel_has_made_something_else_of(path):
    book = Workbook(path)
    sheet = book.sheet([["id", *DATES], [date(2024, 3, 1), 1.5], [True, 2.5], ["OK", 3.5], [None, 4.5]])
    sheet.write_formula(4, 0, "=VLOOKUP(1,2,3)", None, "#N/A")
    book.save()
    assert rows_of(path)["code"].to_list() == [None, "TRUE", "OK", None]
