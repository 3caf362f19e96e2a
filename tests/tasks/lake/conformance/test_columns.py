"""Conformance: columns of rows, of files and of the dataset."""

import re
from copy import copy
from datetime import UTC, datetime
from decimal import Decimal

import dataframely as dy
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.datasets import Dataset
from tasks.errors import ContractError
from tasks.lake import Change, Lake, SnapshotRef
from tasks.lake.store import Store
from tests.tasks.lake.examples import READINGS, START, WITH_UNIT, change, readings

MIDNIGHT = datetime(2024, 1, 1)  # noqa: DTZ001 - as a contract without a time zone has it
Columns = tuple[dy.Column, dy.Column]  # when the file was written, and when it is read
COMPATIBLE: list[tuple[Columns, list[object], list[object]]] = [
    ((dy.Int64(nullable=True), dy.Float64(nullable=True)), [1, None, 2**53], [1.0, None, 2.0**53]),
    ((dy.Float64(nullable=True), dy.Int64(nullable=True)), [3.0, None, -0.0], [3, None, 0]),
    ((dy.Int32(), dy.Int64()), [1, 2], [1, 2]),
    ((dy.Int64(), dy.UInt8()), [1, 2], [1, 2]),
    ((dy.Float32(allow_nan=True), dy.Float64(allow_nan=True)), [0.5, float("nan")], [0.5, float("nan")]),
    ((dy.Date(), dy.Datetime(time_unit="us", time_zone="UTC")), [START], [MIDNIGHT.replace(tzinfo=UTC)]),
    ((dy.Datetime(time_unit="us"), dy.Date()), [MIDNIGHT], [START]),
    ((dy.Datetime(time_unit="ms"), dy.Datetime(time_unit="us")), [MIDNIGHT], [MIDNIGHT]),
    ((dy.Decimal(10, 2), dy.Decimal(20, 4)), [Decimal("1.25")], [Decimal("1.2500")]),
    ((dy.Enum(["a"]), dy.Enum(["b", "a"])), ["a"], ["a"]),
    ((dy.Enum(["b", "a"]), dy.Enum(["a"])), ["a"], ["a"]),
    ((dy.String(), dy.Enum(["a"])), ["a"], ["a"]),
    ((dy.Enum(["a"]), dy.String()), ["a"], ["a"]),
]
UNLIKE: list[Columns] = [
    (dy.String(), dy.Int64()),
    (dy.Int64(), dy.String()),
    (dy.Int64(), dy.Date()),
    (dy.Bool(), dy.Int64()),
    (dy.Decimal(10, 2), dy.Float64()),
    (dy.Datetime(time_unit="us"), dy.Datetime(time_unit="us", time_zone="UTC")),
    (dy.Date(), dy.Datetime(time_unit="us", time_zone="Europe/Berlin")),
]
TOO_MUCH: list[tuple[Columns, list[object], str]] = [
    ((dy.Float64(), dy.Int64()), [1.0, 1.5], r"1\.5 in it, which Int64"),
    ((dy.Float64(allow_nan=True), dy.Int64()), [float("nan")], "nan in it, which Int64"),
    ((dy.Int64(), dy.Float64()), [2**53 + 1], "9007199254740993 in it, which Float64"),
    ((dy.Int64(), dy.Int32()), [2**40], "1099511627776 in it, which Int32"),
    ((dy.Datetime(time_unit="us"), dy.Date()), [MIDNIGHT.replace(hour=5)], r"2024-01-01 05:00:00 in it, which Date"),
    ((dy.Enum(["b", "a"]), dy.Enum(["a"])), ["a", "b"], "b in it, which Enum"),
]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (readings(1.0).drop("value"), "value is missing"),
        (readings(1.0).with_columns(unit=pl.lit("K")), "unit is not one of them"),
        (readings(1.0).cast({"value": pl.Int64}), "value is Int64, not Float64"),
        (readings(1.0).select("day", "sensor", "value"), "their order is day, sensor, value"),
        (readings(1.0).rename({"day": "date"}), "day is missing, date is not one of them"),
    ],
)
def test_rows_with_other_columns_are_refused(lake: Lake, store: Store, rows: pl.DataFrame, told: str) -> None:
    with pytest.raises(ContractError, match=rf"Rows for curated/readings do not have its columns: {told}\. Change"):
        lake.update(READINGS, "p", lambda _: change(readings(1.0), rows), "run")

    assert list(store.entries("curated/")) == []


def test_a_column_that_the_dataset_has_got_since_is_null_in_old_files(lake: Lake) -> None:
    old = lake.update(READINGS, "old", lambda _: change(readings(1.0, 2.0)), "run")
    rows = readings(3.0).with_columns(unit=pl.lit("K"))
    new = lake.update(WITH_UNIT, "new", lambda _: change(rows), "run")
    assert old is not None
    assert new is not None

    both = lake.read(WITH_UNIT, [old, new])

    assert both.select("value", "unit").collect().rows() == [(1.0, None), (2.0, None), (3.0, "K")]
    assert both.filter(pl.col("unit") == "K").collect().height == 1
    assert_frame_equal(
        lake.read(WITH_UNIT, [old]).select("unit").collect(),
        pl.DataFrame({"unit": [None, None]}, schema={"unit": pl.String}),
    )


def test_a_column_that_the_running_code_does_not_know_is_left_out(lake: Lake) -> None:
    old = lake.update(READINGS, "old", lambda _: change(readings(1.0)), "run")
    newer = readings(2.0).with_columns(unit=pl.lit("K"))
    new = lake.update(WITH_UNIT, "new", lambda _: change(newer), "run")
    assert old is not None
    assert new is not None

    rows = lake.read(READINGS, [old, new, old])

    assert_frame_equal(rows.collect(), pl.concat([readings(1.0), readings(2.0), readings(1.0)]))


@pytest.mark.parametrize(("columns", "values", "read"), COMPATIBLE)
def test_values_are_cast_where_that_changes_none(
    lake: Lake, columns: Columns, values: list[object], read: list[object]
) -> None:
    stored = _stored(lake, columns[0], values)

    rows = lake.read(_of(columns[1]), [stored])

    wanted = pl.DataFrame({"n": range(len(read)), "x": read}, schema=_of(columns[1]).polars_schema)
    assert_frame_equal(rows.collect(), wanted)
    assert_frame_equal(rows.collect(engine="streaming"), wanted)
    assert_frame_equal(rows.filter(pl.col("x") == pl.lit(read[0], columns[1].dtype)).collect(), wanted.head(1))


@pytest.mark.parametrize("columns", UNLIKE)
def test_another_type_is_refused_before_anything_is_read(lake: Lake, columns: Columns) -> None:
    stored = _stored(lake, columns[0], [None])
    types = re.escape(f"column x is {columns[0].dtype} in it, and {columns[1].dtype} in the contract")

    with pytest.raises(ContractError, match=rf"^{stored.files[0]} cannot be read as curated/readings: {types}\. Run "):
        lake.read(_of(columns[1]), [stored])


@pytest.mark.parametrize(("columns", "values", "told"), TOO_MUCH)
def test_a_value_that_the_type_cannot_hold_is_refused(
    lake: Lake, columns: Columns, values: list[object], told: str
) -> None:
    stored = _stored(lake, columns[0], values)

    with pytest.raises(ContractError, match=rf"column x of {stored.files[0]} has {told}"):
        lake.read(_of(columns[1]), [stored]).collect()


def test_a_column_that_may_not_be_null_is_missed(lake: Lake) -> None:
    stored = lake.update(READINGS, "p", lambda _: change(readings(1.0)), "run")
    assert stored is not None

    with pytest.raises(ContractError, match="n is not in it, and may not be null, x is not in it, and may not be null"):
        lake.read(_of(dy.Int64()), [stored])


def test_of_files_with_more_columns_what_is_not_needed_is_not_read(lake: Lake) -> None:
    rows = readings(1.0, 2.0).with_columns(unit=pl.lit("K"))
    stored = lake.update(WITH_UNIT, "p", lambda _: change(rows), "run")
    assert stored is not None

    plan = lake.read(READINGS, [stored]).filter(pl.col("day") > START).select("value").explain()

    assert "PROJECT 2/4 COLUMNS" in plan
    assert "SELECTION: " in plan


def test_merged_rows_keep_what_newer_code_has_given_them(lake: Lake) -> None:
    newer = readings(1.0, 2.0).with_columns(unit=pl.Series(["K", "C"]))
    lake.update(WITH_UNIT, "p", lambda _: change(newer), "run")

    by_old_code = lake.update(READINGS, "p", lambda _: Change([readings(1.0, 2.5, 3.0)], (), merged=True), "run")
    again = lake.update(READINGS, "p", lambda _: Change([readings(1.0, 2.5)], (), merged=True), "run")
    assert by_old_code is not None
    assert again is not None

    read = lake.read(WITH_UNIT, [by_old_code, again]).select("value", "unit").collect()
    assert read.rows() == [(1.0, "K"), (2.5, "C"), (3.0, None), (1.0, "K"), (2.5, "C")]
    assert_frame_equal(lake.read(READINGS, [again]).collect(), readings(1.0, 2.5))


def test_rows_that_are_not_merged_have_the_columns_of_their_own_code(lake: Lake) -> None:
    newer = readings(1.0).with_columns(unit=pl.lit("K"))
    lake.update(WITH_UNIT, "p", lambda _: change(newer), "run")

    made_anew = lake.update(READINGS, "p", lambda _: change(readings(1.0)), "run")
    assert made_anew is not None

    assert lake.read(WITH_UNIT, [made_anew]).collect()["unit"].to_list() == [None]


def _of(column: dy.Column) -> Dataset:
    contract = type("Changing", (dy.Schema,), {"n": dy.Int64(primary_key=True), "x": copy(column)})
    return Dataset("readings", "curated", contract, sort=("n",))


def _stored(lake: Lake, column: dy.Column, values: list[object]) -> SnapshotRef:
    dataset = _of(column)
    rows = pl.DataFrame({"n": range(len(values)), "x": values}, schema=dataset.polars_schema)
    stored = lake.update(dataset, "p", lambda _: change(rows), "run")
    assert stored is not None
    return stored
