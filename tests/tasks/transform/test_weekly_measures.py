"""Weekly measures equal an independent calculation in pandas."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tasks.datasets import PRICE_MEASURES
from tasks.extract.sample_market import CsvFolder, SimulatedMarket
from tasks.transform.weekly_measures import measures, weekly
from tests.tasks.transform.pandas_measures import measures_by_pandas

FIRST, LAST = date(2017, 11, 15), date(2021, 2, 10)


def measured(daily: pl.DataFrame) -> pl.DataFrame:
    found = measures(weekly(daily.lazy())).collect()
    return found.select(PRICE_MEASURES.polars_schema.names()).sort("code", "week")


def check(daily: pl.DataFrame) -> pl.DataFrame:
    """Our measures of these bars, after comparing all of them with those of pandas."""
    found = measured(daily)
    assert PRICE_MEASURES.schema.is_valid(found)
    # Of a sum of squares little more than half of the digits is left in a small deviation.
    assert_frame_equal(found, measures_by_pandas(daily), rel_tol=1e-9, abs_tol=1e-7)
    return found


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return SimulatedMarket(size=60, as_of=LAST)


@pytest.fixture(scope="module")
def daily(market: SimulatedMarket) -> pl.DataFrame:
    """Some years of all codes: with splits, dividends, listings and delistings in them."""
    bars = {f"{name}.US": market.bars(f"{name}.US", FIRST, LAST) for name in market.codes("US")}
    return pl.concat([b.with_columns(code=pl.lit(code)) for code, b in bars.items() if b is not None])


def test_simulated_prices(market, daily):
    splits = [s.day for name in market.codes("US") for s in market.splits(f"{name}.US")]
    assert any(FIRST < day < LAST for day in splits)
    found = check(daily)
    assert found["weeks_in_average"].max() == 10
    assert found["week"].dt.weekday().unique().to_list() == [1]


def test_codes_that_did_not_trade_for_weeks(daily):
    def gap(code: str, first: date, weeks: int) -> pl.Expr:
        days = pl.col("date").is_between(first, first + timedelta(weeks=weeks))
        return (pl.col("code") == code) & days

    gaps = [gap("AAPL.US", date(2018, 12, 20), 2), gap("MSFT.US", date(2019, 3, 6), 9), gap("TSLA.US", FIRST, 60)]
    kept = daily.filter(~pl.any_horizontal(gaps))
    found = check(kept)
    first_back = found.filter(pl.col("code") == "MSFT.US", pl.col("week") > date(2019, 3, 6)).row(0, named=True)
    assert first_back["return_1w"] is None
    assert first_back["weeks_in_average"] < 10


bar = st.tuples(
    st.sampled_from(["A", "B"]), st.integers(0, 700), st.floats(0.01, 1e4), st.floats(0.01, 1.0), st.floats(1.0, 2.0)
)


@given(st.lists(bar, min_size=1, max_size=60, unique_by=lambda b: b[:2]))
def test_any_prices_on_any_days(bars):
    rows = [
        (code, date(2020, 12, 30) + timedelta(days=n), close * spread, close / spread, close, close * factor)
        for code, n, close, factor, spread in bars
    ]
    columns = ["code", "date", "high", "low", "close", "adjusted_close"]
    check(pl.DataFrame(rows, schema=columns, orient="row"))


def test_by_hand():
    """Three weeks, a gap of one, and a split in two before the last."""
    rows = [
        ("A", date(2020, 12, 28), 12.0, 8.0, 10.0, 5.0),
        ("A", date(2021, 1, 1), 13.0, 9.0, 12.0, 6.0),
        ("A", date(2021, 1, 4), 15.0, 11.0, 15.0, 7.5),
        ("A", date(2021, 1, 19), 9.0, 7.0, 9.0, 9.0),
    ]
    found = measured(
        pl.DataFrame(rows, schema=["code", "date", "high", "low", "close", "adjusted_close"], orient="row")
    )
    assert found["week"].to_list() == [date(2020, 12, 28), date(2021, 1, 4), date(2021, 1, 18)]
    assert found["session"].to_list() == [date(2021, 1, 1), date(2021, 1, 4), date(2021, 1, 19)]
    assert found["close"].to_list() == [12, 15, 9]
    assert found["average_10w"].to_list() == [6, 6.75, 7.5]
    assert found["weeks_in_average"].to_list() == [1, 2, 3]
    assert found["return_1w"].to_list() == [None, 0.25, None]
    assert found["high_52w"].to_list() == [6.5, 7.5, 9]
    assert found["low_52w"].to_list() == [4, 4, 4]


def test_a_price_that_never_moves_has_no_volatility():
    """Also after one that moved a lot: no digits are lost in what left the window."""
    closes = [1e-4, 1e5, *[10.0] * 15]
    days = [date(2021, 1, 4) + timedelta(weeks=n) for n in range(len(closes))]
    frame = pl.DataFrame({"code": "A", "date": days, "close": closes})
    frame = frame.with_columns(pl.col("close").alias(name) for name in ("high", "low", "adjusted_close"))
    assert measured(frame)["volatility_10w"].tail(3).to_list() == [0.0, 0.0, 0.0]


def test_real_prices(real_prices):
    folder = CsvFolder(real_prices)
    bars = {code: folder.bars(f"{code}.US", date(2000, 1, 1), date(2013, 12, 31)) for code in ("AAPL", "IBM", "MSFT")}
    daily = pl.concat([b.with_columns(code=pl.lit(code)) for code, b in bars.items() if b is not None])
    assert daily.height == 9810
    check(daily)
