"""Conformance: columns of rows, of files and of the dataset."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.errors import ContractError
from tasks.lake import Lake
from tasks.lake.store import Store
from tests.tasks.lake.examples import READINGS, WITH_UNIT, change, readings


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
