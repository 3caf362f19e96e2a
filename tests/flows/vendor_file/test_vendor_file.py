"""Vendor files from the landing state into the lake and the warehouse, from a folder and from Azurite."""

import asyncio
import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.vendor_file import Report, vendor_file
from tasks.errors import ConfigurationError, ContractError
from tasks.extract import Layout
from tests.flows.vendor_file.nasties import NASTIES
from tests.flows.vendor_file.odd_files import HANDLED, REFUSED
from tests.flows.vendor_file.vendors import Values, Vendors, days, means, wide_csv, wide_xlsx, without_empty
from tests.kills import PATIENCE
from tests.servers.azurite import Azurite, azurite

__all__ = ["azurite"]

# Prefect leaves the sockets of its event stream to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

DATES = days(30)


@pytest.fixture(params=["local", "azure"])
def vendors(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_api: str
) -> Vendors:
    """Their settings are in force."""
    url = str(tmp_path / "lake")
    if request.param == "azure":
        server: Azurite = request.getfixturevalue("azurite")
        url = server.empty_lake()
    made = Vendors(tmp_path, url)
    for variable, value in made.environment.items():
        monkeypatch.setenv(variable, value)
    return made


def take(*files: str, dates_in_mean: int = 5, **layout: Any) -> Report:
    report: Report = asyncio.run(vendor_file(list(files) or None, Layout(**layout), dates_in_mean))
    return report


def outcomes(report: Report) -> dict[str, str]:
    return {file.file: file.outcome for file in report.files}


def some_values(seed: int, codes: int = 40) -> Values:
    """A tenth of the cells is empty, and one code has no value at all."""
    dice = random.Random(seed)
    values: dict[str, dict[date, float | None]] = {
        f"XS{seed}{n:06}": {day: None if dice.random() < 0.1 else round(dice.lognormvariate(3, 2), 4) for day in DATES}
        for n in range(codes)
    }
    values[f"XS{seed}EMPTY"] = dict.fromkeys(DATES)
    return values


def assert_loaded(vendors: Vendors, expected: dict[str, Values], n: int = 5) -> None:
    """The tables and the lake have these values of each series, and the means that follow from the definition."""
    assert vendors.values() == {series: without_empty(values) for series, values in expected.items()}
    found = vendors.values("vendor_measures")
    assert found.keys() == expected.keys()
    for series, values in expected.items():
        wanted = means(values, n)
        assert found[series].keys() == wanted.keys()
        for code, of_code in wanted.items():
            assert found[series][code] == pytest.approx(of_code, rel=1e-9)
    stored, measures = vendors.stored()
    assert stored.select("series", "code", "value").rows() == vendors.query(
        "SELECT series, code, value FROM vendor_values ORDER BY series, code, date"
    )
    assert measures.select("series", "code", "trailing_mean", "dates_in_mean").rows() == vendors.query(
        "SELECT series, code, trailing_mean, dates_in_mean FROM vendor_measures ORDER BY series, code, date"
    )


def test_several_files_become_values_means_and_tables(vendors: Vendors) -> None:
    one, two, three = (some_values(seed) for seed in (1, 2, 3))
    vendors.drop("one.csv", wide_csv(one))
    vendors.drop("acme/two.csv", wide_csv(two, separator=";"))
    header = ["ISIN", "Name", *DATES]
    rows = [[code, "plc", *(of_code[day] for day in DATES)] for code, of_code in three.items()]
    vendors.drop("acme/three.xlsx", wide_xlsx([header, *rows]))

    report = take()

    assert outcomes(report) == {"one.csv": "done", "acme/two.csv": "done", "acme/three.xlsx": "done"}
    assert_loaded(vendors, {"default": one, "acme": {**two, **three}})
    done = vendors.shelved("done")
    assert {file: note["values"] for file, note in done.items()} == {
        file: sum(map(len, without_empty(values).values()))
        for file, values in (("one.csv", one), ("acme/two.csv", two), ("acme/three.xlsx", three))
    }
    assert all(note["cells"] == 41 * len(DATES) for note in done.values())
    assert vendors.shelved("failed") == {}
    assert len(vendors.paths()) == 6  # nothing is left in landing itself, nor a claim
    total = sum(note["values"] for note in done.values())
    run = "SELECT flow, state, rows_in, rows_out, quarantined, duplicates FROM etl_runs"
    assert vendors.query(run) == [("vendor-file", "loaded", total, total, 0, 0)]
    assert "3 done, 0 failed" in report.summary


def test_bad_files_beside_good_ones(vendors: Vendors) -> None:
    good = some_values(1)
    vendors.drop("bad.csv", "ISIN,31/01/2024,Total\nA,1,2\n")
    vendors.drop("acme/good.csv", wide_csv(good))
    vendors.drop("broken.xlsx", b"PK\x03\x04 and nothing of a workbook")

    with pytest.raises(ContractError, match=r"2 of 3 files are in landing/failed\. ") as refusal:
        take()

    for said in ("bad.csv: The header was read for dates", "'Total'", "broken.xlsx: The Excel workbook cannot be read"):
        assert said in str(refusal.value)
    assert_loaded(vendors, {"acme": good})
    failed = vendors.shelved("failed")
    assert failed.keys() == {"bad.csv", "broken.xlsx"}
    assert "'Total'" in failed["bad.csv"]["reason"]
    assert vendors.shelved("done").keys() == {"acme/good.csv"}
    assert vendors.query("SELECT state FROM etl_runs") == [("files failed",)]
    assert take().files == []


def test_cells_that_cannot_be_used_are_in_quarantine_with_their_reasons(vendors: Vendors) -> None:
    text = "ISIN,31/01/2024,01/02/2024,31/01/2024\nA,1.5,n/a,1.5\nB,closed,2.5,7\nA,9,2.75,\n,3.5,,\nC,12%,,\n"
    vendors.drop("odd.csv", text)

    (file,) = take().files

    assert (file.outcome, file.cells, file.values) == ("done", 15, 9)
    assert (file.published, file.quarantined, file.duplicates) == (2, 6, 1)
    assert file.reason == "3 cells say otherwise than one before them of the same code and date"
    assert vendors.values()["default"] == {"A": {date(2024, 1, 31): 1.5}, "B": {date(2024, 2, 1): 2.5}}
    found = vendors.quarantined().sort("row", "text").select("row", "code", "text", "reasons").rows()
    before = "another cell of this code and date comes before it, and says otherwise"
    assert found == [
        (3, "B", "7.0", before),
        (3, "B", "closed", "is not a number"),
        (4, "A", "2.75", before),
        (4, "A", "9.0", before),
        (5, None, "3.5", "the row has no identifier"),
        (6, "C", "12%", "is not a number"),
    ]


def test_every_oddity_is_handled_or_refused_by_name(vendors: Vendors) -> None:
    for name, content in HANDLED.items():
        vendors.drop(f"handled-{name}/{name}", content)
    for name, (content, _) in REFUSED.items():
        vendors.drop(f"refused/{name}", content)

    with pytest.raises(ContractError, match=rf"{len(REFUSED)} of {len(HANDLED) + len(REFUSED)} files"):
        take()

    wanted = {"A": {date(2024, 1, 31): 1234.5, date(2024, 2, 1): 2.0}}
    assert vendors.values() == {f"handled-{name}": wanted for name in HANDLED}
    assert vendors.shelved("done").keys() == {f"handled-{name}/{name}" for name in HANDLED}
    failed = vendors.shelved("failed")
    assert failed.keys() == {f"refused/{name}" for name in REFUSED}
    unsaid = {name: failed[f"refused/{name}"]["reason"] for name in REFUSED}
    assert not {name: reason for name, reason in unsaid.items() if REFUSED[name][1] not in reason}
    assert vendors.quarantined().select("file", "code", "text").unique().sort("file").rows() == [
        ("handled-text.csv/text.csv", "B", "soon"),
        ("handled-texts.xlsx/texts.xlsx", "B", "soon"),
    ]


def test_what_was_refused_is_taken_when_it_is_dropped_again_and_the_layout_says_it(vendors: Vendors) -> None:
    content = REFUSED["month-first.csv"][0]
    vendors.drop("us.csv", content)
    with pytest.raises(ContractError, match=r"Set layout\.date_format"):
        take()
    vendors.drop("us.csv", content)
    assert outcomes(take(date_format="%m/%d/%Y")) == {"us.csv": "done"}
    assert vendors.values() == {"default": {"A": {date(2024, 1, 31): 1.0}}}


def test_values_of_days_that_are_not_over_are_told(vendors: Vendors) -> None:
    this_year = datetime.now(UTC).year
    years = [this_year % 100, (this_year - 1) % 100, (this_year + 9) % 100, (this_year + 21) % 100]
    header = ",".join(f"01-Jan-{year:02}" for year in years)
    vendors.drop("a.csv", f"id,{header}\nA,1,2,3,4\nB,1,2,,4\n")
    (file,) = take(date_format="%d-%b-%y").files
    assert file.reason == f"1 values are of days after it was dropped, up to {this_year + 9}-01-01"
    assert date(this_year - 79, 1, 1) in vendors.values()["default"]["A"]


def test_a_file_without_one_usable_value_fails_and_says_why(vendors: Vendors) -> None:
    vendors.drop("text.csv", "ISIN,31/01/2024\nA,soon\nB,later\n")
    with pytest.raises(ContractError, match=r"All 2 values of the file went to quarantine.*'soon' of A on 2024-01-31"):
        take()
    assert vendors.shelved("failed").keys() == {"text.csv"}
    assert vendors.values() == {}


def test_a_file_of_which_hardly_a_value_is_usable_fails_and_none_is_taken(vendors: Vendors) -> None:
    cells = "".join(f"C{n},soon\n" for n in range(19))
    vendors.drop("text.csv", f"ISIN,31/01/2024\n{cells}A,1.5\n")
    with pytest.raises(ContractError, match=r"19 of 20 values of the file went to quarantine.*None was merged"):
        take()
    assert vendors.shelved("failed").keys() == {"text.csv"}
    assert vendors.values() == {}


def test_dropped_again_it_is_taken_again_and_what_was_dropped_last_stands(vendors: Vendors) -> None:
    first = {"A": {DATES[0]: 1.0, DATES[1]: 2.0}, "B": {DATES[0]: 3.0}}
    vendors.drop("prices.csv", wide_csv(first))
    take()
    vendors.drop("prices.csv", wide_csv(first))
    (again,) = take().files
    assert (again.outcome, again.published, again.revised) == ("done", 3, 0)
    assert_loaded(vendors, {"default": first})
    loads = "SELECT sum(rows) FROM etl_loads WHERE dataset = 'vendor_values'"
    assert vendors.query(loads) == [(3,)]  # nothing was loaded again

    second = {"A": {DATES[1]: 2.5, DATES[2]: 4.0}}
    vendors.drop("prices.csv", wide_csv(second))
    (revised,) = take().files

    assert (revised.published, revised.revised) == (2, 1)
    assert_loaded(vendors, {"default": {"A": {DATES[0]: 1.0, DATES[1]: 2.5, DATES[2]: 4.0}, "B": {DATES[0]: 3.0}}})
    done = [p for p in vendors.paths() if p.startswith("done/") and p.endswith(".csv")]
    assert len(done) == 3  # each in a folder of its own


def test_only_files_that_fit_a_pattern_are_taken(vendors: Vendors) -> None:
    for path in ("a.csv", "acme/b.csv", "acme/c.txt"):
        vendors.drop(path, wide_csv({path: {DATES[0]: 1.0, DATES[29]: 2.0}}))
    assert outcomes(take("acme/*.csv")) == {"acme/b.csv": "done"}
    assert outcomes(take()) == {"a.csv": "done", "acme/c.txt": "done"}


def test_another_number_of_dates_makes_all_means_anew(vendors: Vendors) -> None:
    values = some_values(1, codes=3)
    vendors.drop("a.csv", wide_csv(values))
    take(dates_in_mean=5)
    take(dates_in_mean=2)
    assert_loaded(vendors, {"default": values}, n=2)
    with pytest.raises(ConfigurationError, match="mean of 0 dates"):
        take(dates_in_mean=0)


@pytest.mark.timeout(300)
def test_two_runs_at_once_take_each_file_once(vendors: Vendors, prefect_api: str, tmp_path: Path) -> None:
    expected = {f"v{n}": some_values(n, codes=10) for n in range(8)}
    for series, values in expected.items():
        vendors.drop(f"{series}/file.csv", wide_csv(values))
    logs = [tmp_path / f"{n}.log" for n in range(2)]
    runs = [vendors.start(prefect_api, log, "--dates-in-mean", "5") for log in logs]
    for run, log in zip(runs, logs, strict=True):
        assert run.wait(PATIENCE) == 0, log.read_text()

    assert_loaded(vendors, expected)
    done = vendors.shelved("done")
    assert done.keys() == {f"{series}/file.csv" for series in expected}
    assert len({note["run"] for note in done.values()}) == 2, "one run took all, so that this shows nothing"
    assert vendors.query("SELECT sum(rows_out) FROM etl_runs") == [(sum(note["published"] for note in done.values()),)]


def test_files_that_are_made_to_harm_are_put_away_with_reasons_and_the_others_are_taken(vendors: Vendors) -> None:
    small = {name: content for name, make in NASTIES.items() if len(content := make()) < 20_000}
    for name, content in small.items():
        vendors.drop(f"a/{name}", content)
    one = some_values(1)
    vendors.drop("z/one.csv", wide_csv(one))

    with pytest.raises(ContractError, match=rf"of {len(small) + 1} files are in landing/failed"):
        take()

    assert vendors.shelved("done").keys() >= {"z/one.csv"}
    assert all(note["reason"] for note in vendors.shelved("failed").values())
    assert len(vendors.shelved("failed")) + len(vendors.shelved("done")) == len(small) + 1
    assert vendors.values()["z"] == without_empty(one)
