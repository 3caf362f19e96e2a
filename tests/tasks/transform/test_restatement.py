"""Codes whose history the source has restated are found in the days that are fetched again, and no others."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from tasks.datasets import PRICES, RAW_PRICES, shard_of
from tasks.extract.sample_market import SimulatedMarket
from tasks.lake import Lake, open_lake
from tasks.transform.restatement import restated
from tasks.window import Window
from tests.tasks.transform.examples import curated, market_rows, raw_row, raw_rows, receive

KNOWN = Window(first=date(2023, 11, 1), last=date(2024, 1, 12))
AGAIN = Window(first=date(2024, 1, 8), last=date(2024, 1, 19))  # a week of it is known


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path))


def days(first: date, last: date) -> list[str]:
    every = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [str(day) for day in every if day.weekday() < 5]


def bars(code: str, window: Window, hour: float = 0, factor: float = 1.0) -> pl.DataFrame:
    """A close of 10 every day, adjusted by the factor."""
    rows = [raw_row(code, day, hour, adjusted_close=10 * factor) for day in days(window.first, window.last)]
    return raw_rows(*rows)


def known(lake: Lake, *codes: str, factor: float = 1.0) -> None:
    """The lake has the history of these codes."""
    receive(lake, raw_rows(*(bars(code, KNOWN, factor=factor) for code in codes)), KNOWN)
    curated(lake, KNOWN)


def found(lake: Lake, rows: pl.DataFrame) -> dict[str, date]:
    """What the bars that were fetched again say of the history."""
    receive(lake, rows, AGAIN)
    return restated(lake, AGAIN, lake.partitions(RAW_PRICES, f"window={AGAIN}/"))


def changed(rows: pl.DataFrame, day: str, **values: float | None) -> pl.DataFrame:
    return rows.with_columns(
        pl.when(pl.col("date") == day).then(pl.lit(value, dtype=pl.Float64)).otherwise(name).alias(name)
        for name, value in values.items()
    )


@pytest.mark.parametrize("factor", [0.5, 10.0, 0.997])  # a split, a merger, a small dividend
def test_another_factor_on_the_days_known(lake, factor):
    known(lake, "A.US", "B.US")
    rows = raw_rows(bars("A.US", AGAIN, 1, factor), bars("B.US", AGAIN, 1))
    assert found(lake, rows) == {"A.US": date(2023, 11, 1)}


def test_a_split_in_the_middle_of_the_days_known(lake):
    """The days before it are adjusted by another factor, those after it are not."""
    known(lake, "A.US")
    rows = bars("A.US", AGAIN, 1).with_columns(
        adjusted_close=pl.when(pl.col("date") < "2024-01-10").then(5.0).otherwise(10.0)
    )
    assert found(lake, rows) == {"A.US": date(2023, 11, 1)}


def test_what_the_source_tells_of_the_same_day_as_before(lake):
    known(lake, "A.US")
    assert found(lake, bars("A.US", AGAIN, 1)) == {}


@pytest.mark.parametrize("day", ["2024-01-08", "2024-01-10"])
def test_a_revised_close_is_not_a_restatement(lake, day):
    known(lake, "A.US", factor=0.5)
    revised = changed(bars("A.US", AGAIN, 1, factor=0.5), day, close=11.0, adjusted_close=5.5)
    assert found(lake, revised) == {}


def test_a_revised_adjusted_close_in_the_middle_is_not_a_restatement(lake):
    known(lake, "A.US")
    assert found(lake, changed(bars("A.US", AGAIN, 1), "2024-01-10", adjusted_close=9.0)) == {}


@pytest.mark.parametrize("close", [0.0123, 1.0, 98765.4321])
@pytest.mark.parametrize("noise", [1e-4, -1e-4])
def test_four_decimals_are_not_a_restatement(lake, close, noise):
    """Both sides are rounded, by half of the last digit at most."""
    both = raw_rows(*(raw_row("A.US", day, close=close, adjusted_close=close) for day in days(KNOWN.first, KNOWN.last)))
    receive(lake, both, KNOWN)
    curated(lake, KNOWN)
    again = bars("A.US", AGAIN, 1).with_columns(close=close, adjusted_close=close + noise)
    assert found(lake, again) == {}


def test_a_code_without_older_history_has_none_to_restate(lake):
    shard = shard_of("A.US", PRICES.shards)
    old, new = [c for n in range(99) if shard_of(c := f"{n}.US", PRICES.shards) == shard][:2]  # in one partition
    known(lake, old)
    receive(lake, bars("A.US", AGAIN), AGAIN)
    curated(lake, AGAIN)
    rows = raw_rows(bars("A.US", AGAIN, 1, factor=0.5), bars(new, AGAIN, 1, factor=0.5), bars(old, AGAIN, 1))
    assert found(lake, rows) == {}


def test_an_empty_lake_has_none(lake):
    assert found(lake, bars("A.US", AGAIN)) == {}


@pytest.mark.parametrize(
    "spoilt", [{"close": None}, {"close": -10.0}, {"close": 0.0}, {"adjusted_close": None}, {"close": float("inf")}]
)
def test_a_broken_first_bar_neither_raises_nor_hides_a_restatement(lake, spoilt):
    known(lake, "A.US", "B.US")
    rows = raw_rows(bars("A.US", AGAIN, 1, factor=0.5), bars("B.US", AGAIN, 1))
    assert found(lake, changed(rows, "2024-01-08", **spoilt)) == {"A.US": date(2023, 11, 1)}


def test_what_was_fetched_last_counts(lake):
    """The same codes in other shards, from an attempt before the source restated them."""
    known(lake, "A.US")
    receive(lake, bars("A.US", AGAIN, hour=1), AGAIN, part="window=00000-of-00002")
    receive(lake, bars("A.US", AGAIN, hour=1), AGAIN, part="window=00000-of-00000")
    assert found(lake, bars("A.US", AGAIN, hour=2, factor=0.5)) == {"A.US": date(2023, 11, 1)}


def test_over_the_turn_of_a_year(lake):
    window = Window(first=date(2023, 12, 27), last=date(2024, 1, 19))
    known(lake, "A.US")
    receive(lake, bars("A.US", window, 1, factor=0.5), window)
    raw = lake.partitions(RAW_PRICES, f"window={window}/")
    assert restated(lake, window, raw) == {"A.US": date(2023, 11, 1)}


def test_on_the_sample_market_it_finds_those_with_a_split_or_a_dividend_since(lake):
    market = SimulatedMarket(size=300, as_of=KNOWN.last)
    codes = [f"{name}.US" for name in market.codes("US")]
    receive(lake, market_rows(market, codes, KNOWN), KNOWN)
    curated(lake, KNOWN)
    market.as_of = AGAIN.last
    events = {code: [s.day for s in market.splits(code)] + [d.day for d in market.dividends(code)] for code in codes}
    expected = {code for code, dates in events.items() if any(day > KNOWN.last for day in dates)}
    traded = set(market_rows(market, codes, AGAIN)["code"])
    assert len(expected) > 5
    assert set(found(lake, market_rows(market, codes, AGAIN, 1))) == expected & traded
