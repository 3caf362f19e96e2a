"""A value of a cursor that cannot be is kept, and the cursor does not follow it: of numbers and texts too."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from tasks.database import Beyond
from tasks.datasets import Dataset
from tasks.errors import ConfigurationError
from tasks.extract.queries.query import Query, QueryExtracted, extract
from tasks.lake import Lake, open_lake

NOW = datetime(2024, 3, 5, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path))


def read(lake: Lake, column: dy.Column, values: list[Any], **more: Any) -> QueryExtracted:
    dataset = Dataset("events", "raw", type("Events", (dy.Schema,), {"at": column}), sort=("at",))

    def stream(sql: str, params: Mapping[str, object], beyond: Beyond | None = None) -> Iterator[pl.DataFrame]:
        rows = pl.DataFrame({"at": values}, schema=dataset.polars_schema).sort("at")
        least = beyond.least if beyond else None
        yield rows.filter(pl.col("at").is_null() if least is None else pl.col("at") >= pl.lit(least))

    query = Query(sql="SELECT at FROM events", cursor="at", **more)
    return extract(lake, stream, dataset, query, run="run", fetched_at=NOW)


@pytest.mark.parametrize(("unit", "each"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_a_number_that_the_contract_calls_an_epoch_has_a_now(lake: Lake, unit: str, each: int) -> None:
    at = dy.Int64(metadata={"epoch": unit})
    ahead = (SECONDS + 180 * 365 * 86_400) * each
    first = read(lake, at, [SECONDS * each - 1, SECONDS * each, ahead], start=0)
    assert (first.rows_new, first.rows_ahead, first.cursor) == (3, 1, SECONDS * each)
    again = read(lake, at, [SECONDS * each, SECONDS * each, ahead], start=0)
    assert (again.rows_new, again.rows_ahead, again.cursor) == (1, 1, SECONDS * each)


def test_days_since_1970_have_a_now_too(lake: Lake) -> None:
    today = SECONDS // 86_400
    found = read(lake, dy.Int32(metadata={"epoch": "d"}), [today, today + 1], start=0)
    assert (found.rows_ahead, found.cursor) == (1, today)


@pytest.mark.parametrize(
    ("column", "start", "values", "until"),
    [
        (dy.Int64(), 0, [7, 8, 999_999_999], 1000),
        (dy.String(), "", ["INV-0007", "INV-0008", "INV-9999"], "INV-8999"),
        (dy.Date(), date(2024, 1, 1), [date(2024, 2, 1), date(2024, 2, 2), date(2024, 3, 4)], date(2024, 3, 1)),
    ],
)
def test_a_cursor_follows_no_value_beyond_the_one_that_the_query_names(
    lake: Lake, column: dy.Column, start: Any, values: list[Any], until: Any
) -> None:
    found = read(lake, column, values, start=start, until=until)
    assert (found.rows_new, found.rows_ahead, found.cursor) == (3, 1, values[1])
    later = read(lake, column, values, start=start)
    assert (later.rows_new, later.cursor) == (0, values[1])  # it came before, and no new row has moved the cursor
    assert read(lake, column, [*values, values[2]], start=start).cursor == values[2]


def test_an_until_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="until"):
        Query(sql="", cursor="at", start=0, until="z")
