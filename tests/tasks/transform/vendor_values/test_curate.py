"""Rows of vendor files become values, cells that cannot go to quarantine, and means follow: beside the definition."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.datasets import (
    QUARANTINED_VENDOR_VALUES,
    RAW_VENDOR_COLUMNS,
    RAW_VENDOR_ROWS,
    VENDOR_MEASURES,
    VENDOR_VALUES,
    WITHDRAWN_VENDOR_VALUES,
    Dataset,
    shard_of,
)
from tasks.errors import ConfigurationError, ContractError
from tasks.lake import Change, Lake, SnapshotRef, open_lake
from tasks.lake.landing import Landed
from tasks.transform.vendor_values.cells import ANOTHER_BEFORE, NO_IDENTIFIER, NOT_A_NUMBER, sort_cells
from tasks.transform.vendor_values.curate import FileFigures, curate_file
from tasks.transform.vendor_values.measure import measure_vendor_values

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
DATES = [date(2023, 12, 29), date(2024, 1, 2), date(2024, 1, 3)]

Cell = float | str | None
Row = tuple[str | None, Sequence[Cell]]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path))


def raw_rows(rows: Sequence[Row]) -> pl.DataFrame:
    """As the reader of wide files gives them."""
    records = []
    for number, (code, cells) in enumerate(rows, start=2):
        unread = [(place, cell) for place, cell in enumerate(cells) if isinstance(cell, str)]
        records.append(
            {
                "shard": shard_of(code or "", RAW_VENDOR_ROWS.shards),
                "row": number,
                "code": code,
                "values": [None if isinstance(cell, str) else cell for cell in cells],
                "unread_at": [place for place, _ in unread] or None,
                "unread": [cell for _, cell in unread] or None,
            }
        )
    return pl.DataFrame(records, schema=RAW_VENDOR_ROWS.polars_schema)


def put(lake: Lake, dataset: Dataset, partition: str, rows: pl.DataFrame) -> SnapshotRef:
    written = lake.update(dataset, partition, lambda _: Change([rows], ()), "test")
    assert written
    return written


def take(
    lake: Lake,
    *rows: Row,
    dates: Sequence[date] = DATES,
    path: str = "a.csv",
    hours: float = 0,
    beside: Sequence[Landed] = (),
) -> FileFigures:
    """What was dropped so many hours after noon."""
    file = Landed(path=path, bytes=1, dropped=NOON + timedelta(hours=hours))
    columns = [(place, str(day), day) for place, day in enumerate(dates)]
    frame = pl.DataFrame(columns, schema=RAW_VENDOR_COLUMNS.polars_schema, orient="row")
    of_columns = put(lake, RAW_VENDOR_COLUMNS, f"file={file.id}", frame)
    of_rows = put(lake, RAW_VENDOR_ROWS, f"file={file.id}", raw_rows(rows))
    return curate_file(lake, file, of_columns, of_rows, "test", beside)


def read(lake: Lake, dataset: Dataset, *columns: str) -> list[tuple[Any, ...]]:
    rows = lake.read(dataset, lake.partitions(dataset)).collect()
    return rows.sort([c for c in ("series", "file", "code", "row", "date") if c in rows.columns]).select(columns).rows()


def values(lake: Lake) -> dict[tuple[str, date], float]:
    return {(code, day): value for code, day, value in read(lake, VENDOR_VALUES, "code", "date", "value")}


def test_values_are_in_the_partitions_of_their_years_and_shards(lake):
    figures = take(lake, ("A", [1.0, 2.0, None]), ("B", [None, None, 3.0]))
    assert (figures.cells, figures.rows.received, figures.rows.added) == (6, 3, 3)
    assert values(lake) == {("A", DATES[0]): 1.0, ("A", DATES[1]): 2.0, ("B", DATES[2]): 3.0}
    wanted = [(2023, "A"), (2024, "A"), (2024, "B")]
    assert sorted(s.partition for s in lake.partitions(VENDOR_VALUES)) == sorted(
        VENDOR_VALUES.partition(year, shard_of(code, VENDOR_VALUES.shards)) for year, code in wanted
    )


@pytest.mark.parametrize(("path", "series"), [("a.csv", "default"), ("acme/a.csv", "acme"), ("acme/x/a.csv", "acme/x")])
def test_the_folder_is_the_series(lake, path, series):
    take(lake, ("A", [1.0, None, None]), path=path)
    assert read(lake, VENDOR_VALUES, "series", "code") == [(series, "A")]


def test_series_do_not_touch_each_other(lake):
    take(lake, ("A", [1.0, None, None]), path="one/a.csv")
    assert take(lake, ("A", [2.0, None, None]), path="two/a.csv", hours=1).rows.added == 1
    assert read(lake, VENDOR_VALUES, "series", "value") == [("one", 1.0), ("two", 2.0)]


def test_a_file_dropped_later_stands_in_whatever_order_they_are_taken(lake):
    take(lake, ("A", [2.0, 5.0, None]), hours=2)
    assert take(lake, ("A", [1.0, None, 7.0]), hours=1).rows.unchanged == 1
    assert take(lake, ("A", [3.0]), dates=DATES[:1], hours=3).rows.revised == 1
    assert values(lake) == {("A", DATES[0]): 3.0, ("A", DATES[1]): 5.0, ("A", DATES[2]): 7.0}


@pytest.mark.parametrize("cell", [None, "soon"], ids=["empty", "unreadable"])
def test_a_cell_that_a_later_file_has_no_value_for_is_withdrawn(lake, cell):
    """Of its own codes, dates and series alone; the older file does not bring it back, a later one does."""
    take(lake, ("A", [1.0, 2.0, 3.0]), ("B", [4.0, 5.0, 6.0]))
    take(lake, ("A", [7.0, 8.0, 9.0]), path="acme/a.csv")
    found = take(lake, ("A", [1.0, cell]), dates=DATES[:2], hours=2).rows
    assert (found.unchanged, found.withdrawn, found.quarantined) == (1, 1, 1 if cell else 0)
    kept = {
        ("A", DATES[0]): 1.0,
        ("A", DATES[2]): 3.0,
        ("B", DATES[0]): 4.0,
        ("B", DATES[1]): 5.0,
        ("B", DATES[2]): 6.0,
    }
    series = [("A", DATES[0], 7.0), ("A", DATES[1], 8.0), ("A", DATES[2], 9.0)]
    assert read(lake, VENDOR_VALUES, "code", "date", "value") == [
        *series,
        *((code, day, value) for (code, day), value in kept.items()),
    ]
    withdrawn = read(lake, WITHDRAWN_VENDOR_VALUES, "series", "code", "date", "value", "withdrawn_at")
    assert withdrawn == [("default", "A", DATES[1], 2.0, NOON + timedelta(hours=2))]
    take(lake, ("A", [1.0, 2.5]), dates=DATES[:2], hours=1)
    assert len(read(lake, VENDOR_VALUES, "code")) == 8
    assert take(lake, ("A", [1.0, 2.5]), dates=DATES[:2], hours=3).rows.added == 1


def test_what_is_withdrawn_goes_from_the_measures_too(lake):
    take(lake, ("A", [1.0, 2.0, 3.0]))
    measure_vendor_values(lake, 2, "test")
    take(lake, ("A", [None, 2.0, 4.0]), hours=1)
    measure_vendor_values(lake, 2, "test")
    assert measures(lake) == {("A", DATES[1]): (2.0, 1), ("A", DATES[2]): (3.0, 2)}


def test_a_file_of_which_no_number_can_be_read_withdraws_nothing(lake):
    take(lake, ("A", [1.0, 2.0, 3.0]))
    with pytest.raises(ContractError, match="All 2 values"):
        take(lake, ("A", ["1;0", "2;0", None]), hours=1)
    assert len(values(lake)) == 3


def test_files_of_one_drop_that_contradict_each_other_are_told_with_the_cells(lake):
    first = Landed(path="a.csv", bytes=1, dropped=NOON)
    other = Landed(path="acme/a.csv", bytes=1, dropped=NOON)
    take(lake, ("A", [1.0, 2.0, 3.0]), ("B", [4.0, 5.0, 6.0]))
    found = take(lake, ("A", [1.0, 2.5, None]), path="b.csv", hours=1, beside=[first, other])
    assert (found.contradictions, found.contradicted) == (
        2,
        ("A 2024-01-02: 2.5, and 2.0 in a.csv", "A 2024-01-03: nothing, and 3.0 in a.csv"),
    )
    assert take(lake, ("A", [1.0, 2.0, 3.0]), path="c.csv", hours=2, beside=[first]).contradictions == 0


def test_the_same_file_again_changes_nothing(lake):
    rows: list[Row] = [("A", [1.0, "x", 3.0]), (None, [1.0, None, None])]
    first = take(lake, *rows)
    before = [s for d in (VENDOR_VALUES, QUARANTINED_VENDOR_VALUES) for s in lake.partitions(d)]
    again = take(lake, *rows)
    assert (again.rows.unchanged, again.rows.quarantined) == (first.rows.added, first.rows.quarantined) == (2, 2)
    assert [s for d in (VENDOR_VALUES, QUARANTINED_VENDOR_VALUES) for s in lake.partitions(d)] == before


def test_what_cannot_be_used_is_in_quarantine_as_it_was_received(lake):
    figures = take(
        lake, ("A", [1.0, "x", None]), ("A", [2.0, None, 9.0]), (None, [4.0, "y", None]), ("L" * 61, [5.0, None, None])
    )
    assert (figures.rows.received, figures.rows.quarantined, figures.rows.added) == (7, 6, 1)
    found = read(lake, QUARANTINED_VENDOR_VALUES, "row", "code", "date", "text", "reasons")
    assert sorted(found, key=str) == sorted(
        [
            (2, "A", DATES[1], "x", NOT_A_NUMBER),
            (3, "A", DATES[0], "2.0", ANOTHER_BEFORE),
            (3, "A", DATES[2], "9.0", ANOTHER_BEFORE),
            (4, None, DATES[0], "4.0", NO_IDENTIFIER),
            (4, None, DATES[1], "y", NOT_A_NUMBER),
            (5, "L" * 61, DATES[0], "5.0", "code is too long"),
        ],
        key=str,
    )


def test_a_file_of_nothing_usable_is_refused_with_its_first_reason(lake):
    with pytest.raises(
        ContractError, match=r"All 2 values of the file went to quarantine.*'x' of A on 2023-12-29, in row 2"
    ):
        take(lake, ("A", ["x", None, None]), ("B", [None, "y", None]))
    assert take(lake, ("A", [None, None, None])).rows.received == 0


cells = st.one_of(st.none(), st.integers(1, 3).map(float), st.sampled_from(["x", "y"]))
tables = st.lists(st.tuples(st.sampled_from(["A", "B", None]), st.lists(cells, min_size=4, max_size=4)), max_size=6)
places = st.lists(st.sampled_from(DATES), min_size=4, max_size=4).map(lambda days: dict(enumerate(days)))


@settings(max_examples=50)
@given(tables, places)
def test_every_cell_with_something_in_it_is_accounted_for(rows, dates):
    found = sort_cells(raw_rows(rows), dates)
    first: dict[tuple[str, date], Cell] = {}
    duplicates = 0
    wrong = []
    # Row by row, the columns in the order of the file: the first cell of a code and date stands, even if it is empty.
    is_first = {code: min(n for n, (c, _) in enumerate(rows) if c == code) for code, _ in rows}
    for number, (code, of_row) in enumerate(rows):
        seen: set[date] = set()
        for place, cell in enumerate(of_row):
            day = dates[place]
            stands = code is not None and is_first[code] == number and day not in seen
            seen.add(day)
            if stands:
                first[code, day] = cell
    for number, (code, of_row) in enumerate(rows, start=2):
        for place, cell in enumerate(of_row):
            day = dates[place]
            if isinstance(cell, str):
                wrong.append((number, code, day, cell, NOT_A_NUMBER))
            elif cell is not None and code is None:
                wrong.append((number, None, day, str(cell), NO_IDENTIFIER))
    good = {key: cell for key, cell in first.items() if isinstance(cell, float)}
    received = sum(cell is not None for _, of_row in rows for cell in of_row)
    again = [row for row in found.bad.rows() if row[4] == ANOTHER_BEFORE]
    assert {(code, day): value for code, day, value in found.good.rows()} == good
    assert sorted((row for row in found.bad.rows() if row[4] != ANOTHER_BEFORE), key=str) == sorted(wrong, key=str)
    assert all(good.get((code, day)) != float(text) for _, code, day, text, _ in again)
    duplicates = received - len(good) - found.bad.height
    assert (found.received, found.duplicates) == (received, duplicates)


def mean_of(known: dict[tuple[str, date], float], n: int) -> dict[tuple[str, date], tuple[float, int]]:
    """From the definition."""
    found = {}
    for code, day in known:
        last = [known[c, d] for c, d in sorted(known) if c == code and d <= day][-n:]
        found[code, day] = sum(last) / len(last), len(last)
    return found


def measures(lake: Lake) -> dict[tuple[str, date], tuple[float, int]]:
    found = read(lake, VENDOR_MEASURES, "code", "date", "trailing_mean", "dates_in_mean")
    return {(code, day): (mean, count) for code, day, mean, count in found}


YEARS = [date(2022, 12, 30), date(2022, 12, 31), date(2023, 6, 1), date(2024, 1, 1), date(2024, 1, 2)]
files = st.lists(
    st.dictionaries(st.sampled_from("ABC"), st.lists(st.one_of(st.none(), st.floats(1, 9)), min_size=5, max_size=5)),
    min_size=1,
    max_size=2,
)


@settings(max_examples=12)
@given(files, st.integers(1, 4))
def test_means_are_those_of_the_definition_over_years_and_after_each_file(tmp_path_factory, dropped, n):
    lake = open_lake(str(tmp_path_factory.mktemp("lake")))
    known: dict[tuple[str, date], float] = {}
    for hours, rows in enumerate(dropped):
        take(lake, *rows.items(), dates=YEARS, hours=hours)
        said = {(c, d): v for c, row in rows.items() for d, v in zip(YEARS, row, strict=True)}
        known = {key: v for key, v in (known | said).items() if v is not None}
        measure_vendor_values(lake, n, "test")
        expected = mean_of(known, n)
        found = measures(lake)
        assert found.keys() == expected.keys()
        for key, (mean, count) in expected.items():
            assert found[key][0] == pytest.approx(mean, rel=1e-9)
            assert found[key][1] == count


@pytest.mark.parametrize("n", [1, 2, 50])
def test_means_reach_over_the_ends_of_years(lake, n):
    take(lake, ("A", [1.0, 2.0, None, 4.0, 8.0]), ("B", [None, None, 5.0, None, 6.0]), dates=YEARS)
    measure_vendor_values(lake, n, "test")
    assert measures(lake) == mean_of(values(lake), n)


def test_only_what_is_stale_is_measured_anew(lake):
    take(lake, ("A", [1.0] * 5), ("B", [2.0] * 5), dates=YEARS)
    first = measure_vendor_values(lake, 2, "one")
    assert {s.run for s in lake.partitions(VENDOR_MEASURES)} == {"one"}
    assert measure_vendor_values(lake, 2, "two") == []
    take(lake, ("A", [1.0, 1.0, 1.0, 1.0, 7.0]), dates=YEARS, hours=1)
    changed = measure_vendor_values(lake, 2, "three")
    assert [s.partition for s in changed] == [VENDOR_VALUES.partition(2024, shard_of("A", VENDOR_VALUES.shards))]
    assert len(measure_vendor_values(lake, 3, "four")) > 0
    assert len(first) == len(lake.partitions(VENDOR_MEASURES))


def test_a_mean_of_no_dates_is_refused(lake):
    with pytest.raises(ConfigurationError, match="A mean of 0 dates"):
        measure_vendor_values(lake, 0, "test")
