"""Conformance: a lazy scan leaves unread what is not needed.

That is shown by overwriting, in a copy of a file, all that should not be needed: what can be read then did not need it.
"""

import io
from collections.abc import Callable, Iterator
from datetime import date, timedelta

import polars as pl
import pyarrow.parquet as pq
import pytest

from tasks.lake import Lake
from tests.tasks.lake.examples import READINGS, START, change

Condition = Callable[[str, date], bool]
DAYS, SENSORS = 1000, 1000
LAST_WEEK = START + timedelta(days=DAYS - 7)


@pytest.fixture
def file(lake: Lake) -> str:
    """A million rows in the order of days."""
    days = pl.DataFrame({"day": [START + timedelta(days=n) for n in range(DAYS)]})
    sensors = pl.DataFrame({"sensor": [f"sensor {n:04}" for n in range(SENSORS)]})
    rows = days.join(sensors, how="cross").with_columns(value=pl.int_range(pl.len()).cast(pl.Float64))
    published = lake.update(READINGS, "p", lambda _: change(rows.select(READINGS.polars_schema.names())), "run")
    assert published is not None
    (path,) = published.files
    return path


@pytest.fixture
def damaged(lake: Lake, file: str) -> Callable[[Condition], str]:
    """A copy of the file, overwritten where the condition holds for a column's name and the last day of a row group."""

    def damage(condition: Condition) -> str:
        data = bytearray(getattr(lake.store.read(file), "data", b""))
        for start, length in _chunks(bytes(data), condition):
            data[start : start + length] = b"\xff" * length
        with lake.store.create(f"{file}.damaged") as copy:
            copy.write(data)
        return f"{file}.damaged"

    return damage


def _chunks(data: bytes, condition: Condition) -> Iterator[tuple[int, int]]:
    footer = pq.ParquetFile(io.BytesIO(data)).metadata
    names = READINGS.polars_schema.names()
    for group in (footer.row_group(n) for n in range(footer.num_row_groups)):
        last = group.column(names.index("day")).statistics.max
        for column in (group.column(n) for n in range(group.num_columns)):
            if condition(column.path_in_schema, last):
                yield column.dictionary_page_offset or column.data_page_offset, column.total_compressed_size


def test_the_damage_is_noticed_where_it_is_read(lake: Lake, damaged: Callable[[Condition], str]) -> None:
    copy = damaged(lambda name, _: name == "value")

    with pytest.raises(pl.exceptions.PolarsError):
        lake.scan(READINGS, [copy]).collect()


def test_columns_that_are_not_asked_for_are_not_read(lake: Lake, damaged: Callable[[Condition], str]) -> None:
    copy = damaged(lambda name, _: name != "day")

    days = lake.scan(READINGS, [copy]).select(pl.col("day").n_unique(), pl.len().alias("rows")).collect()

    assert days.row(0) == (DAYS, DAYS * SENSORS)


def test_row_groups_without_the_dates_asked_for_are_not_read(lake: Lake, damaged: Callable[[Condition], str]) -> None:
    copy = damaged(lambda _, last: last < LAST_WEEK)

    week = lake.scan(READINGS, [copy]).filter(pl.col("day") >= LAST_WEEK).collect()

    assert week.height == 7 * SENSORS
    assert week["value"].max() == DAYS * SENSORS - 1
    with pytest.raises(pl.exceptions.PolarsError):
        lake.scan(READINGS, [copy]).collect()
