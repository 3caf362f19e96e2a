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

from tasks.database import Beyond
from tasks.datasets import Dataset
from tasks.errors import ConfigurationError, ContractError, TransientError
from tasks.extract.queries.query import Query, QueryExtracted, extract
from tasks.lake import Change, Lake, open_lake
from tests.servers.postgres import Postgres, postgres
from tests.tasks.extract.queries.orders import (
    QUERY,
    RAW_ORDERS,
    START,
    Order,
    Shop,
    curate,
    curated,
    received,
    rejected,
)

__all__ = ["postgres"]

LATER = START + timedelta(days=400)
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
    assert (second.rows_read, second.rows_new) == (3, 2)
    assert received(lake) == [*FIRST, (4, 4, "Ann", "1.00"), (2, 5, "Bob", "2.00")]
    curate(lake)
    assert curated(lake) == [FIRST[0], (2, 5, "Bob", "2.00"), FIRST[2], (4, 4, "Ann", "1.00")]


def test_nothing_new_publishes_nothing(shop: Shop, lake: Lake) -> None:
    assert shop.extracted(lake) == QueryExtracted(snapshot=None, rows_read=0, rows_new=0, cursor=START)
    shop.put(*FIRST)
    snapshot = shop.extracted(lake).snapshot
    again = shop.extracted(lake)
    assert again == QueryExtracted(snapshot=None, rows_read=1, rows_new=0, cursor=START + timedelta(hours=3))
    assert lake.partitions(RAW_ORDERS) == [snapshot]


def test_rows_before_the_start_are_left(shop: Shop, lake: Lake) -> None:
    shop.put(*FIRST)
    shop.extracted(lake, QUERY.model_copy(update={"start": START + timedelta(hours=2)}))
    assert received(lake) == FIRST[1:]


def test_late_rows_come_with_a_lag_and_only_then(shop: Shop, lake: Lake, tmp_path: Path) -> None:
    lagging = QUERY.model_copy(update={"lag": timedelta(hours=2)})
    without = open_lake(str(tmp_path / "without"))
    shop.put(*FIRST)
    for each, query in ((lake, lagging), (without, QUERY)):
        shop.extracted(each, query)
    late, too_late = (4, 1.5, "late", "1.00"), (5, 0.5, "too late", "1.00")
    shop.put(late, too_late)
    result = shop.extracted(lake, lagging)
    assert (result.rows_read, result.rows_new, result.cursor) == (4, 1, START + timedelta(hours=3))
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
    assert (result.rows_read, result.rows_new) == (6, 1)


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
    asked: list[Any] = []

    def stream(sql: str, params: Mapping[str, object], beyond: Beyond | None = None) -> Iterator[pl.DataFrame]:
        rows = pl.DataFrame({"at": values}, schema=dataset.polars_schema)
        least = beyond.least if beyond else None
        asked.extend([] if least is None else [least])
        yield rows.filter(pl.col("at").is_null() if least is None else pl.col("at") >= pl.lit(least))

    query = Query(sql="SELECT at FROM events", cursor="at", start=start, lag=lag)
    for _ in range(2):
        result = extract(lake, stream, dataset, query, run="run", fetched_at=LATER)
        assert result.cursor == after
    assert asked == [start - lag if lag else start, after - lag if lag else after]
    assert lake.read(dataset, lake.partitions(dataset)).collect()["at"].to_list() == values


def test_values_are_bound(shop: Shop, lake: Lake) -> None:
    shop.put(*FIRST, (4, 4, "x'; DROP TABLE orders; --", None))
    query = Query(
        sql=f"{QUERY.sql} WHERE customer IN :customers",
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
    query = QUERY.model_copy(update={"sql": f"{QUERY.sql} WHERE id <= :most", "parameters": {"most": 2}})
    shop.extracted(lake, query)
    other = query.model_copy(update={"parameters": {"most": 3}})
    with pytest.raises(ConfigurationError, match=r"What raw/orders/all/ has was read with other parameters"):
        shop.extracted(lake, other)
    assert shop.extracted(lake, other.model_copy(update={"part": "most=3"})).rows_new == 3
    better = query.model_copy(update={"sql": f"{query.sql} AND id > 0"})
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

        def dropped(sql: str, params: Mapping[str, object], beyond: Beyond | None = None) -> Iterator[pl.DataFrame]:
            yield from itertools.islice(stream(sql, params, beyond), 2)
            raise TransientError("the connection dropped")

        with pytest.raises(TransientError, match="dropped"):
            extract(lake, dropped, RAW_ORDERS, QUERY, run="dropped", fetched_at=LATER)
    assert lake.partitions(RAW_ORDERS) == [before]
    assert len([e for e in lake.store.entries("raw/orders/") if e.path.endswith(".parquet")]) == 1
    assert shop.extracted(lake).rows_new == 2


def test_two_runs_at_once_lose_nothing(shop: Shop, lake: Lake) -> None:
    """The first reads, the second reads more and publishes, then the first does."""
    shop.put(*FIRST)
    shop.extracted(lake)
    shop.put((4, 4, None, None))
    with shop.stream() as stream:

        def overtaken(sql: str, params: Mapping[str, object], beyond: Beyond | None = None) -> Iterator[pl.DataFrame]:
            yield from list(stream(sql, params, beyond))
            if not lake.current(RAW_ORDERS, "all/number=00000002"):
                shop.put((5, 5, None, None))
                shop.extracted(lake)

        extract(lake, overtaken, RAW_ORDERS, QUERY, run="overtaken", fetched_at=LATER)
    shop.extracted(lake)
    assert received(lake) == [*FIRST, (4, 4, None, None), (5, 5, None, None)]


@pytest.mark.parametrize(
    ("changed_at", "then"),
    [
        ("2024-03-05 18:00:00", "2024-03-05 18:00:01"),  # as CURRENT_TIMESTAMP writes it
        ("2024-03-05T18:00:00.000000Z", "2024-03-05 18:00:00.5"),
        ("2024-03-05 18:00", "2024-03-05T08:00:01-10:00"),
        ("2024-03-05T23:30:00+05:30", "2024-03-06T07:00:00+13:00"),  # the same moment, the second one's day is later
    ],
)
def test_times_of_sqlite_are_read_in_whatever_form_they_are_written(
    tmp_path: Path, lake: Lake, changed_at: str, then: str
) -> None:
    shop = Shop(f"sqlite:///{tmp_path}/shop.sqlite")
    shop.execute("INSERT INTO orders VALUES (1, ?, 'Ann', NULL)", [(changed_at,)])
    assert shop.extracted(lake).rows_new == 1
    shop.execute("INSERT INTO orders VALUES (2, ?, 'Bob', NULL)", [(then,)])
    assert shop.extracted(lake).rows_new == 1
    assert shop.extracted(lake).rows_new == 0
    assert [customer for _, _, customer, _ in received(lake)] == ["Ann", "Bob"]


@pytest.mark.parametrize("changed_at", [1709661600, 2460375.25, "05/03/2024 18:00", "", b"2024-03-05 18:00:00"])
def test_what_sqlite_cannot_compare_with_the_cursor_is_refused_and_not_left_out(
    tmp_path: Path, lake: Lake, changed_at: object
) -> None:
    shop = Shop(f"sqlite:///{tmp_path}/shop.sqlite")
    shop.execute("ALTER TABLE orders DROP COLUMN changed_at")
    shop.execute("ALTER TABLE orders ADD COLUMN changed_at")  # without a type it keeps a number as it is
    shop.execute("INSERT INTO orders VALUES (1, 'Ann', NULL, ?)", [(changed_at,)])
    with pytest.raises(ContractError, match="changed_at"):
        shop.extracted(lake)


def test_rows_at_the_cursor_are_read_again_and_told_apart(shop: Shop, lake: Lake) -> None:
    shop.put((1, 1, "Ann", None), (2, 1, "Bob", None))
    shop.extracted(lake)
    shop.put((3, 1, "Cid", None), (2, 1, "Bob", "5.00"))
    assert shop.extracted(lake).rows_new == 2
    assert shop.extracted(lake).rows_new == 0
    expected: list[Order] = [(1, 1, "Ann", None), (2, 1, "Bob", None), (3, 1, "Cid", None), (2, 1, "Bob", "5.00")]
    assert sorted(received(lake), key=str) == sorted(expected, key=str)


def test_a_row_that_is_again_what_it_was_comes_again_by_its_key(shop: Shop, lake: Lake) -> None:
    query = QUERY.model_copy(update={"key": ("id",)})
    for amount in ("1.00", "2.00", "1.00"):
        shop.put((1, 1, "Ann", amount), (2, 1, "Bob", "7.00"))
        shop.extracted(lake, query)
    assert shop.extracted(lake, query).rows_new == 0
    assert [amount for i, _, _, amount in received(lake) if i == 1] == ["1.00", "2.00", "1.00"]
    assert [amount for i, _, _, amount in received(lake) if i == 2] == ["7.00"]


def test_same_rows_without_a_key_are_as_many_as_the_table_has(shop: Shop, lake: Lake) -> None:
    query = QUERY.model_copy(
        update={"sql": "SELECT 1 AS id, changed_at, 'each' AS customer, NULL AS amount FROM orders"}
    )
    for number in range(1, 5):
        shop.put((number, 1, None, None))
        assert shop.extracted(lake, query, rows_per_frame=1).rows_new == 1
    assert received(lake) == [(1, 1, "each", None)] * 4


def test_a_row_from_the_year_2204_does_not_end_it(shop: Shop, lake: Lake) -> None:
    shop.put(*FIRST, (4, 180 * 365 * 24, "ahead", None))
    first = shop.extracted(lake)
    assert (first.rows_new, first.rows_ahead, first.cursor) == (4, 1, START + timedelta(hours=3))
    for hour in range(5, 8):
        shop.put((hour, hour, None, None))
        result = shop.extracted(lake)
        assert (result.rows_new, result.rows_ahead, result.cursor) == (1, 1, START + timedelta(hours=hour))
    assert shop.extracted(lake).rows_new == 0
    assert len(received(lake)) == 7


def test_rows_without_a_cursor_are_counted_and_in_quarantine(shop: Shop, lake: Lake) -> None:
    shop.put(*FIRST)
    shop.execute("INSERT INTO orders VALUES (9, NULL, 'Ann', NULL), (10, NULL, 'Bob', NULL)")
    result = shop.extracted(lake)
    assert (result.rows_new, result.rows_without_cursor) == (3, 2)
    assert rejected(lake) == [("9", "Ann", "changed_at is missing"), ("10", "Bob", "changed_at is missing")]
    kept = lake.partitions(RAW_ORDERS.quarantine)
    assert shop.extracted(lake).rows_without_cursor == 2
    assert lake.partitions(RAW_ORDERS.quarantine) == kept, "what is the same is not written again"
    shop.put((9, 4, "Ann", None))
    result = shop.extracted(lake)
    assert (result.rows_new, result.rows_without_cursor) == (1, 1)
    assert rejected(lake) == [("10", "Bob", "changed_at is missing")]


def test_one_row_that_does_not_fit_is_in_quarantine_and_the_others_come(shop: Shop, lake: Lake) -> None:
    shop.put(*FIRST)
    odd = "CASE WHEN id = 2 THEN '1.005' ELSE CAST(amount AS varchar) END AS amount"
    query = QUERY.model_copy(update={"sql": QUERY.sql.replace("amount", odd)})
    result = shop.extracted(lake, query)
    assert (result.rows_new, result.rows_unfit, result.cursor) == (2, 1, START + timedelta(hours=3))
    assert received(lake) == [FIRST[0], FIRST[2]]
    ((row, _, reason),) = rejected(lake)
    assert row == "2"
    assert reason.startswith("amount is no Decimal")
    assert shop.extracted(lake, query).rows_new == 0


def test_a_query_of_which_most_rows_have_no_cursor_fails(shop: Shop, lake: Lake) -> None:
    shop.put((1, 1, "Ann", None))
    shop.execute("INSERT INTO orders VALUES (9, NULL, 'Ann', NULL), (10, NULL, 'Bob', NULL)")
    with pytest.raises(ContractError, match=r"2 of 3 rows of the query .*changed_at is missing"):
        shop.extracted(lake)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("id, changed_at, customer", r"missing \['amount'\], unknown \[\]"),
        ("id, changed_at, customer, amount, 1 AS extra", r"missing \[\], unknown \['extra'\]"),
        (
            "id, changed_at, customer, '1.005' AS amount",
            r"3 of 3 rows .*amount is no Decimal.*it came as String",
        ),
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
        ({"sql": f"{QUERY.sql} WHERE changed_at > :after"}, r"takes the parameters \['after'\]"),
        ({"sql": "SELECT id FROM no_such_table"}, "no_such_table"),
        ({"sql": "SELECT id, customer FROM orders"}, "changed_at"),
        ({"sql": f"{QUERY.sql}; DELETE FROM orders"}, "more than one statement"),
        ({"sql": "DELETE FROM orders RETURNING id, changed_at, customer, amount"}, "quer"),
        ({"key": ("id", "number")}, "has number, which the dataset does not"),
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
    ],
)
def test_fields_that_contradict_each_other(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        Query(sql="", cursor="c", **fields)


def test_a_cursor_of_another_kind_than_the_one_kept(lake: Lake) -> None:
    def read(column: dy.Column, value: Any, start: Any) -> QueryExtracted:
        schema = type("Events", (dy.Schema,), {"__annotations__": {}, "at": column})
        rows = pl.DataFrame({"at": [value]})
        query = Query(sql="SELECT at FROM events", cursor="at", start=start)
        dataset = Dataset("events", "raw", schema, sort=("at",))
        return extract(
            lake,
            lambda *_: iter([rows.filter(pl.col("at").is_not_null())]),
            dataset,
            query,
            run="run",
            fetched_at=START,
        )

    assert read(dy.String(), "a", "").cursor == "a"
    with pytest.raises(ConfigurationError, match="keeps is 'a', which is not of the kind of 0"):
        read(dy.Int64(), 1, 0)
