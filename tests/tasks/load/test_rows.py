"""The rows of a part are exactly what the contract says, or the load stops with the reason."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.errors import ContractError
from tasks.load.rows import prepared
from tests.tasks.warehouses.examples import QUOTES, quotes

ROWS = quotes(("B", 1, 1.0, 1), ("A", 2, 2.0, None), ("A", 1, 3.0, 3))


def _prepared(rows: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    return prepared(rows, QUOTES.table_columns, QUOTES.key, "partition p of quotes")


def test_rows_come_in_the_order_of_the_key_and_of_the_columns() -> None:
    shuffled = ROWS.select("volume", "day", "code", "close")

    assert_frame_equal(_prepared(shuffled), ROWS.sort("code", "day"))
    assert_frame_equal(_prepared(shuffled.lazy()), ROWS.sort("code", "day"))


def test_dictionary_encoded_codes_and_columns_of_nulls_are_taken() -> None:
    rows = ROWS.with_columns(pl.col("code").cast(pl.Categorical), volume=None)

    assert _prepared(rows).schema == ROWS.schema


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (ROWS.drop("close"), r"missing \['close'\], unknown \[\]"),
        (ROWS.with_columns(x=1, y=2), r"missing \[\], unknown \['x', 'y'\]"),
        (ROWS.with_columns(pl.col("day").cast(pl.String)), "day is String, the contract says Date"),
        (ROWS.with_columns(pl.col("volume").cast(pl.Float64)), "volume is Float64, the contract says Int64"),
        (ROWS.with_columns(close=None), "close is Null, the contract says Float64"),
        (ROWS.with_columns(pl.when(pl.col("code") == "B").then("close").alias("close")), r"\{'close': 2\}"),
        (pl.concat([ROWS, ROWS[1:]]), r"2 rows too many, the first is \{'code': 'A', 'day': .*2024, 1, 1\)\}"),
    ],
)
def test_rows_that_break_the_contract_are_refused(rows: pl.DataFrame, reason: str) -> None:
    with pytest.raises(ContractError, match=f"partition p of quotes.*{reason}"):
        _prepared(rows)
