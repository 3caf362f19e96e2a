"""Conformance: what goes into a table comes out of it, or is refused by name."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from math import inf, nan

import dataframely as dy
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.datasets import Dataset
from tasks.errors import ContractError
from tasks.load.load_result import LoadResult
from tasks.load.request import Part
from tasks.load.warehouse import Warehouse
from tests.tasks.warehouses.examples import dataset, query, table


class Values(dy.Schema):
    key = dy.String(primary_key=True, max_length=40)
    text = dy.String(nullable=True)
    kind = dy.Enum(["low", "high"], nullable=True)
    small = dy.Int8(nullable=True)
    big = dy.Int64(nullable=True)
    byte = dy.UInt8(nullable=True)
    single = dy.Float32(nullable=True)
    double = dy.Float64(nullable=True, allow_inf=True)
    flag = dy.Bool(nullable=True)
    day = dy.Date(nullable=True)
    instant = dy.Datetime(time_unit="us", time_zone="UTC", nullable=True)
    in_kathmandu = dy.Datetime(time_unit="ms", time_zone="Asia/Kathmandu", nullable=True)
    local = dy.Datetime(time_unit="us", nullable=True)
    clock = dy.Time(nullable=True)
    money = dy.Decimal(precision=38, scale=4, nullable=True)
    blob = dy.Binary(nullable=True)


Load = Callable[[str, pl.DataFrame], LoadResult]
VALUES = dataset(Values, "values_of_all_types")


def row(key: str, **values: object) -> dict[str, object]:
    return dict.fromkeys(Values.column_names()) | {"key": key} | values


ROWS = [
    row("nothing but nulls"),
    row("empty", text="", blob=b"", big=0, double=0.0, flag=False),
    row("quotes", text="""it's "all" [here]; -- 100 % `of` :it \\ ?"""),
    row("unicode", text="Zürich Ελλάδα 東京 🏦 e\u0301 \u202e"),
    row("blanks", text=" \t\r\n x \n"),
    row("long", text="long 🏦 " * 150_000),
    row("enum", kind="high"),
    row("largest", small=127, big=2**63 - 1, byte=255, double=1.7976931348623157e308, flag=True),
    row("smallest", small=-128, big=-(2**63), byte=0, double=5e-324),
    row("exact", double=0.1 + 0.2, single=0.5),
    row("infinite", double=inf),
    row("minus infinite", double=-inf),
    row("first", day=date(1, 1, 1), instant=datetime(1, 1, 1, tzinfo=UTC), clock=time(0)),
    row(
        "last",
        day=date(9999, 12, 31),
        local=datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001
        clock=time(23, 59, 59, 999999),
    ),
    row("before 1970", instant=datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), local=datetime(1900, 1, 1)),  # noqa: DTZ001
    row(
        "elsewhere",
        instant=datetime(2024, 3, 1, 5, 44, 59, 1, tzinfo=UTC),
        in_kathmandu=datetime(2024, 3, 1, 5, 45, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ),
    row("money", money=Decimal("0.1000")),
    row("much money", money=Decimal("1234567890123456789012345678901234.5678")),
    row("debt", money=Decimal("-0.0001")),
    row("bytes", blob=bytes(range(256))),
]


def values(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=VALUES.polars_schema, orient="row").sort("key")


@pytest.fixture
def load(warehouse: Warehouse) -> Load:
    return lambda snapshot, rows: warehouse.load(
        VALUES, [Part("p", snapshot, rows, rows.select("key").clear())], run="r"
    )


def test_all_types_round_trip(exact: Warehouse, load: Load) -> None:
    load("s1", values(ROWS))

    assert_frame_equal(table(exact, VALUES), values(ROWS), check_exact=True)


def test_all_types_round_trip_through_staging_too(exact: Warehouse, load: Load) -> None:
    load("s1", values(ROWS[:1]))
    result = load("s2", values(ROWS))

    assert (result.inserted, result.unchanged) == (len(ROWS) - 1, 1)
    assert load("s3", values(ROWS)).unchanged == len(ROWS)
    assert_frame_equal(table(exact, VALUES), values(ROWS), check_exact=True)


def test_a_column_of_nulls_keeps_its_type(warehouse: Warehouse, load: Load) -> None:
    load("s1", values(ROWS[:1]))

    assert_frame_equal(table(warehouse, VALUES), values(ROWS[:1]))


def test_zero_rows_keep_their_types(warehouse: Warehouse, load: Load) -> None:
    load("s1", values([]))

    assert_frame_equal(table(warehouse, VALUES), values([]))


def test_a_number_may_come_after_many_nulls(warehouse: Warehouse, load: Load) -> None:
    rows = values([row(f"{i:06}") for i in range(5_000)] + [row("x", double=1.5)])
    load("s1", rows)

    found = query(warehouse, "SELECT double FROM values_of_all_types ORDER BY key")

    assert found["double"].drop_nulls().to_list() == [1.5]


def test_nan_comes_back_or_is_refused_by_name(warehouse: Warehouse, load: Load) -> None:
    rows = values([row("nan", double=nan), row("number", double=1.0)])

    if warehouse._connection.dialect.sql.name == "postgresql":
        load("s1", rows)
        assert_frame_equal(table(warehouse, VALUES), rows)
    else:
        with pytest.raises(ContractError, match=r"partition p of .*\{'double': 1\}.* NaN"):
            load("s1", rows)
        assert warehouse.loaded(VALUES) == {}


@pytest.mark.parametrize("column", [dy.List(dy.Int64()), dy.Struct({"a": dy.Int64()}), dy.Duration()])
def test_types_that_no_sql_column_has_are_refused_by_name(warehouse: Warehouse, column: dy.Column) -> None:
    schema = type("Odd", (dy.Schema,), {"key": dy.String(primary_key=True), "odd": column})

    with pytest.raises(ContractError, match=r"column odd .*only_in_lake"):
        warehouse.load(Dataset("odd", "published", schema, ("key",), table="odd"), [], run="r")
