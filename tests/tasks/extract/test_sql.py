"""Queries as a source: what is new comes once, late rows come, and no end of a run loses or doubles any."""

import itertools
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from tasks.datasets import Dataset
from tasks.errors import ConfigurationError, ContractError, TransientError
from tasks.extract.sql import Query, QueryExtracted, extract
from tasks.lake import Change, Lake, open_lake
from tests.postgres import Postgres, postgres
from tests.tasks.extract.orders import (
    QUERY,
    RAW_ORDERS,
    START,
    Order,
    Shop,
    curate,
    curated,
    received,
)

__all__ = ["postgres"]

FIRST: list[Order] = [(1, 1, "Zoë", "10.00"), (2, 2, None, None), (3, 3, "漢字 'quoted'; --", "-0.05")]


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    if request.param == "sqlite":
        yield Shop(f"sqlite:///{tmp_path}/shop.sqlite")
        return
    server: Postgres = request.getfixturevalue("postgres")
    database = server.database()
    yield Shop(server.url(database))
    server.drop(database)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path / "lake"))


def test_each_run_takes_what_is_new(shop: Shop, lake: Lake) -> None:
    shop.put(*FIRST)
    first = shop.extracted(lake)
    assert (first.rows_read, first.rows_new, first.cursor) == (3, 3, START + timedelta(hours=3))
    assert received(lake) == FIRST
    shop.put((4, 4, "Ann", "1.00"), (2, 5, "Bob", "2.00"))
    second = shop.extracted(lake)
    assert (second.rows_read, second.rows_new) == (2, 2)
    assert received(lake) == [*FIRST, (4, 4, "Ann", "1.00"), (2, 5, "Bob", "2.00")]
    curate(lake)
    assert curated(lake) == [FIRST[0], (2, 5, "Bob", "2.00"), FIRST[2], (4, 4, "Ann", "1.00")]


def test_nothing_new_publishes_nothing(shop: Shop, lake: Lake) -> None:
    assert shop.extracted(lake) == QueryExtracted(snapshot=None, rows_read=0, rows_new=0, cursor=START)
    shop.put(*FIRST)
    snapshot = shop.extracted(lake).snapshot
    again = shop.extracted(lake)
    assert again == QueryExtracted(snapshot=None, rows_read=0, rows_new=0, cursor=START + timedelta(hours=3))
    assert lake.partitions(RAW_ORDERS) == [snapshot]


def test_rows_before_the_start_are_left(shop: Shop, lake: Lake) -> None:
    shop.put(*FIRST)
    shop.extracted(lake, QUERY.model_copy(update={"start": START + timedelta(hours=2)}))
    assert received(lake) == FIRST[2:]


def test_late_rows_come_with_a_lag_and_only_then(shop: Shop, lake: Lake, tmp_path: Path) -> None:
    lagging = QUERY.model_copy(update={"lag": timedelta(hours=2)})
    without = open_lake(str(tmp_path / "without"))
    shop.put(*FIRST)
    for each, query in ((lake, lagging), (without, QUERY)):
        shop.extracted(each, query)
    late, too_late = (4, 1.5, "late", "1.00"), (5, 0.5, "too late", "1.00")
    shop.put(late, too_late)
    result = shop.extracted(lake, lagging)
    assert (result.rows_read, result.rows_new, result.cursor) == (3, 1, START + timedelta(hours=3))
    assert received(lake) == [*FIRST, late]
    shop.extracted(without)
    assert received(without) == FIRST


def test_what_came_before_is_not_kept_twice(shop: Shop, lake: Lake) -> None:
    """However many runs reach back over the same rows, unless their values differ."""
    lagging = QUERY.model_copy(update={"lag": timedelta(hours=24)})
    shop.put(*FIRST)
    shop.extracted(lake, lagging)
    shop.put((4, 4, "Ann", "1.00"))
    shop.extracted(lake, lagging, rows_per_frame=1)
    shop.put((1, 1, "revised", "10.00"), (5, 5, None, "5.00"))
    result = shop.extracted(lake, lagging)
    assert (result.rows_read, result.rows_new) == (5, 2)
    assert received(lake) == [*FIRST, (4, 4, "Ann", "1.00"), (1, 1, "revised", "10.00"), (5, 5, None, "5.00")]
    assert shop.extracted(lake, lagging).snapshot is None


def test_a_longer_lag_reaches_over_several_runs(shop: Shop, lake: Lake) -> None:
    for hour in range(1, 6):
        shop.put((hour, hour, None, None))
        shop.extracted(lake)
    shop.put((9, 1.5, "late", None))
    result = shop.extracted(lake, QUERY.model_copy(update={"lag": timedelta(hours=4)}))
    assert (result.rows_read, result.rows_new) == (5, 1)


@pytest.mark.parametrize(
    ("dtype", "start", "values", "after", "lag"),
    [
        (dy.Int64(), 0, [1, 2**53 + 1], 2**53 + 1, 10),
        (dy.Int32(), -5, [-4, 7], 7, 0),
        (dy.Date(), date(2024, 1, 1), [date(2024, 1, 2), date(2024, 2, 29)], date(2024, 2, 29), timedelta(days=1)),
        (dy.String(), "", ["a'b", "ß/漢 字"], "ß/漢 字", 0),
    ],
)
def test_kinds_of_cursors(lake: Lake, dtype: dy.Column, start: Any, values: list[Any], after: Any, lag: Any) -> None:
    schema = type("Events", (dy.Schema,), {"__annotations__": {}, "at": dtype})
    dataset = Dataset("events", "raw", schema, sort=("at",))
    asked: list[Mapping[str, object]] = []

    def stream(sql: str, params: Mapping[str, object]) -> Iterator[pl.DataFrame]:
        asked.append(params)
        yield pl.DataFrame({"at": values}, schema=dataset.polars_schema).filter(pl.col("at") > pl.lit(params["after"]))

    query = Query(sql="SELECT at FROM events WHERE at > :after", cursor="at", start=start, lag=lag)
    for _ in range(2):
        result = extract(lake, stream, dataset, query, run="run", fetched_at=START)
        assert result.cursor == after
    assert [params["after"] for params in asked] == [start - lag if lag else start, after - lag if lag else after]
    assert lake.read(dataset, lake.partitions(dataset)).collect()["at"].to_list() == values


def test_values_are_bound(shop: Shop, lake: Lake) -> None:
    shop.put(*FIRST, (4, 4, "x'; DROP TABLE orders; --", None))
    query = Query(
        sql=QUERY.sql.replace("ORDER BY", "AND customer IN :customers ORDER BY"),
        cursor="changed_at",
        start=START,
        parameters={"customers": ["x'; DROP TABLE orders; --", "' OR 1=1 --"]},
    )
    assert shop.extracted(lake, query).rows_read == 1
    assert (
        shop.extracted(lake, query.model_copy(update={"part": "all-2", "parameters": {"customers": ["Zoë"]}})).rows_read
        == 1
    )


def test_other_parameters_have_a_cursor_of_their_own(shop: Shop, lake: Lake) -> None:
    shop.put(*FIRST)
    query = QUERY.model_copy(
        update={"sql": QUERY.sql.replace("ORDER", "AND id <= :most ORDER"), "parameters": {"most": 2}}
    )
    shop.extracted(lake, query)
    other = query.model_copy(update={"parameters": {"most": 3}})
    with pytest.raises(ConfigurationError, match=r"What raw/orders/all/ has was read with other parameters"):
        shop.extracted(lake, other)
    assert shop.extracted(lake, other.model_copy(update={"part": "most=3"})).rows_new == 3
    better = query.model_copy(update={"sql": query.sql.replace("ORDER", "AND id > 0 ORDER")})
    assert shop.extracted(lake, better).cursor == START + timedelta(hours=2), "another text goes on"


def test_a_run_that_died_before_its_cursor_was_kept_is_done_again(shop: Shop, lake: Lake) -> None:
    shop.put(*FIRST)
    shop.extracted(lake)
    shop.put((4, 4, None, None), (5, 5, None, None))
    some = lake.read(RAW_ORDERS, lake.partitions(RAW_ORDERS)).head(1).collect()
    left = lake.update(RAW_ORDERS, "all/number=00000002", lambda _: Change([some], ()), "died")
    assert left is not None
    result = shop.extracted(lake)
    assert result.snapshot is not None
    assert (result.rows_new, result.snapshot.partition) == (2, left.partition)
    assert received(lake) == [*FIRST, (4, 4, None, None), (5, 5, None, None)]


def test_a_dropped_connection_leaves_rows_and_cursor(shop: Shop, lake: Lake) -> None:
    shop.put(*FIRST)
    before = shop.extracted(lake).snapshot
    shop.put((4, 4, None, None), (5, 5, None, None))
    with shop.stream(rows_per_frame=1) as stream:

        def dropped(sql: str, params: Mapping[str, object]) -> Iterator[pl.DataFrame]:
            yield from itertools.islice(stream(sql, params), 1)
            raise TransientError("the connection dropped")

        with pytest.raises(TransientError, match="dropped"):
            extract(lake, dropped, RAW_ORDERS, QUERY, run="dropped", fetched_at=START)
    assert lake.partitions(RAW_ORDERS) == [before]
    assert len([e for e in lake.store.entries("raw/orders/") if e.path.endswith(".parquet")]) == 1
    assert shop.extracted(lake).rows_new == 2


def test_two_runs_at_once_lose_nothing(shop: Shop, lake: Lake) -> None:
    """The first reads, the second reads more and publishes, then the first does."""
    shop.put(*FIRST)
    shop.extracted(lake)
    shop.put((4, 4, None, None))
    with shop.stream() as stream:

        def overtaken(sql: str, params: Mapping[str, object]) -> Iterator[pl.DataFrame]:
            yield from list(stream(sql, params))
            if not lake.current(RAW_ORDERS, "all/number=00000002"):
                shop.put((5, 5, None, None))
                shop.extracted(lake)

        extract(lake, overtaken, RAW_ORDERS, QUERY, run="overtaken", fetched_at=START)
    shop.extracted(lake)
    assert received(lake) == [*FIRST, (4, 4, None, None), (5, 5, None, None)]


def test_a_row_without_a_cursor_is_refused(shop: Shop, lake: Lake) -> None:
    shop.put(*FIRST)
    shop.execute("INSERT INTO orders VALUES (9, NULL, NULL, NULL)")
    query = QUERY.model_copy(update={"sql": QUERY.sql.replace("> :after", "> :after OR changed_at IS NULL")})
    with pytest.raises(ContractError, match="1 rows of the query have no changed_at"):
        shop.extracted(lake, query)
    assert lake.partitions(RAW_ORDERS) == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("id, changed_at, customer", r"missing \['amount'\], unknown \[\]"),
        ("id, changed_at, customer, amount, 1 AS extra", r"missing \[\], unknown \['extra'\]"),
        ("id, changed_at, customer, '1.005' AS amount", r"The column amount .* no Decimal.*'1\.005' is the first"),
    ],
)
def test_columns_that_are_not_the_datasets_are_refused(shop: Shop, lake: Lake, columns: str, message: str) -> None:
    shop.put(*FIRST)
    query = QUERY.model_copy(update={"sql": QUERY.sql.replace("id, changed_at, customer, amount", columns)})
    with pytest.raises(ContractError, match=message):
        shop.extracted(lake, query)
    assert lake.partitions(RAW_ORDERS) == []


def test_columns_in_another_order_are_put_in_theirs(shop: Shop, lake: Lake) -> None:
    shop.put(*FIRST)
    columns = "amount, customer, changed_at, id"
    shop.extracted(
        lake, QUERY.model_copy(update={"sql": QUERY.sql.replace("id, changed_at, customer, amount", columns)})
    )
    assert received(lake) == FIRST


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cursor": "nope"}, r"The cursor nope of raw/orders .* is not one of its columns"),
        ({"start": START.replace(tzinfo=None)}, "a datetime with a zone or without"),
        ({"start": 1}, "begins with 1, but the column is Datetime"),
        ({"sql": "SELECT id, changed_at, customer, amount FROM orders"}, r"given \['after'\]"),
        ({"sql": "SELECT id FROM no_such_table WHERE changed_at > :after"}, "no_such_table"),
        ({"sql": "DELETE FROM orders WHERE changed_at > :after RETURNING id, changed_at, customer, amount"}, "quer"),
    ],
)
def test_queries_that_make_no_sense(shop: Shop, lake: Lake, change: dict[str, Any], message: str) -> None:
    shop.put(*FIRST)
    with pytest.raises(ConfigurationError, match=message):
        shop.extracted(lake, QUERY.model_copy(update=change))
    assert shop.extracted(lake).rows_new == 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"start": "a", "lag": 1}, "A lag of 1 cannot be taken from a cursor such as 'a'"),
        ({"start": 1, "lag": timedelta(1)}, "Give a number for a number"),
        ({"start": START, "lag": 1}, "a timedelta for a date or a time"),
        ({"start": 1, "parameters": {"after": 1}}, "The parameter after of a query is its cursor"),
    ],
)
def test_fields_that_contradict_each_other(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        Query(sql="", cursor="c", **fields)


def test_a_cursor_of_another_kind_than_the_one_kept(lake: Lake) -> None:
    def read(column: dy.Column, value: Any, start: Any) -> QueryExtracted:
        schema = type("Events", (dy.Schema,), {"__annotations__": {}, "at": column})
        rows = pl.DataFrame({"at": [value]})
        query = Query(sql="SELECT at FROM events WHERE at > :after", cursor="at", start=start)
        dataset = Dataset("events", "raw", schema, sort=("at",))
        return extract(lake, lambda *_: iter([rows]), dataset, query, run="run", fetched_at=START)

    assert read(dy.String(), "a", "").cursor == "a"
    with pytest.raises(ConfigurationError, match="keeps is 'a', which is not of the kind of 0"):
        read(dy.Int64(), 1, 0)
