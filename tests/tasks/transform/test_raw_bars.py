"""Which raw rows break the contract, and in what words that is said."""

import math
from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.datasets import PRICES, QUARANTINED_PRICES
from tasks.transform.raw_bars import split_bars
from tests.tasks.transform.examples import raw_row, raw_rows


def received(rows: pl.DataFrame, *, asked_for: bool | None = True) -> pl.DataFrame:
    return rows.drop("shard").with_row_index("row").with_columns(asked_for=pl.lit(asked_for, dtype=pl.Boolean))


@pytest.mark.parametrize(
    ("broken", "reasons"),
    [
        ({"close": -1.0}, "close is not above zero"),
        ({"close": 0.0}, "close is not above zero"),
        ({"open": None}, "open is missing or cannot be read"),
        ({"high": math.nan}, "high is not a number"),
        ({"low": math.inf}, "low is infinite; high is below low"),
        ({"adjusted_close": None}, "adjusted_close is missing or cannot be read"),
        ({"volume": -1.0}, "volume is below zero"),
        ({"volume": None}, "volume is missing or cannot be read"),
        ({"volume": 1e30}, "volume is missing or cannot be read"),
        ({"day": None}, "date is missing or cannot be read"),
        ({"day": "2024-02-30"}, "date is missing or cannot be read"),
        ({"day": "0000-00-00"}, "date is missing or cannot be read"),
        ({"code": "A" * 41}, "code is too long"),
        (
            {"volume": -1.0, "open": 0.0, "day": "soon"},
            "date is missing or cannot be read; open is not above zero; volume is below zero",
        ),
    ],
)
def test_a_broken_row_is_kept_as_received_with_its_reasons(broken, reasons):
    row = raw_row(**broken)
    good, bad = split_bars(received(raw_rows(raw_row(code="B.US"), row)), [])
    assert good["code"].to_list() == ["B.US"]
    assert bad["reasons"].to_list() == [reasons]
    assert_frame_equal(bad.drop("reasons"), row.select(QUARANTINED_PRICES.polars_schema.names()[:-1]))


def test_a_day_that_was_not_asked_for():
    good, bad = split_bars(received(raw_row(), asked_for=False), [])
    assert good.is_empty()
    assert bad["reasons"].to_list() == ["not one of the days asked for"]


def test_a_day_that_is_none_is_reason_enough():
    _, bad = split_bars(received(raw_row(day="x"), asked_for=None), [])
    assert bad["reasons"].to_list() == ["date is missing or cannot be read"]


def test_good_rows_are_typed():
    good, bad = split_bars(received(raw_row(volume=99.6)), [])
    assert good.schema == PRICES.polars_schema
    assert good.select("date", "volume").row(0) == (date(2024, 1, 2), 100)
    assert bad.is_empty()
    assert bad.schema == QUARANTINED_PRICES.polars_schema


def test_all_rows_of_a_code_that_is_held_back():
    rows = raw_rows(raw_row(), raw_row(close=-1.0), raw_row(code="B.US"))
    good, bad = split_bars(received(rows), ["A.US"])
    assert good["code"].to_list() == ["B.US"]
    assert bad["reasons"].to_list() == ["another part of this code could not be fetched"] * 2
