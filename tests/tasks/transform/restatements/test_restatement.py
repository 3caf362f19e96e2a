"""Codes whose history the source has restated are found in the days that are fetched again, and no others."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from tasks.datasets import PRICES, shard_of
from tasks.extract.sample_market import SimulatedMarket
from tasks.lake import Lake, open_lake
from tasks.transform.restatements.restatement import restated
from tasks.transform.restatements.witnesses import unwitnessed
from tasks.window import Window
from tests.tasks.transform.examples import curated, market_rows, outcomes, raw_row, raw_rows, receive

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
    """What the bars that were fetched again say of the history: where it begins."""
    receive(lake, rows, AGAIN)
    return {code: span.first for code, span in restated(lake, AGAIN).items()}


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


def penny(close: float, adjusted: float, window: Window, hour: float = 0) -> pl.DataFrame:
    return bars("A.US", window, hour).with_columns(close=close, adjusted_close=adjusted)


@pytest.mark.parametrize("close", [0.004, 0.0123, 1.0, 98765.4321])
def test_the_last_digit_that_the_source_shows_tells(lake, close):
    """A dividend of 5 % on 0.0040 moves it by two of these digits, and one on more by more."""
    receive(lake, penny(close, close, KNOWN), KNOWN)
    curated(lake, KNOWN)
    assert found(lake, penny(close, close, AGAIN, 1)) == {}
    assert found(lake, penny(close, close - 0.0001, AGAIN, 1)) == {"A.US": date(2023, 11, 1)}


@pytest.mark.parametrize("revised", [0.0123, 1.2345, 9876.5432])
def test_what_rounding_makes_of_a_revised_close_is_not_a_restatement(lake, revised):
    """Both adjusted closes are rounded, by half of the last digit each."""
    factor, close = 0.6789, 1.1111
    receive(lake, penny(close, round(close * factor, 4), KNOWN), KNOWN)
    curated(lake, KNOWN)
    again = penny(close, round(close * factor, 4), AGAIN, 1)
    assert found(lake, changed(again, "2024-01-08", close=revised, adjusted_close=round(revised * factor, 4))) == {}


@pytest.mark.parametrize("unit", [0.01, 100.0])
def test_another_unit_is_a_restatement(lake, unit):
    """Pence for pounds: the factor of adjustment stays."""
    known(lake, "A.US", "B.US", factor=0.5)
    again = bars("A.US", AGAIN, 1, 0.5).with_columns(pl.col("close", "adjusted_close") * unit)
    assert found(lake, raw_rows(again, bars("B.US", AGAIN, 1, 0.5))) == {"A.US": date(2023, 11, 1)}


def test_a_code_with_no_day_in_common_is_asked_for_its_last_one(lake):
    """A halted, B delisted, C there as ever, D new, E known only from later on, F unknown to the source."""
    known(lake, "A.US", "B.US", "C.US", "F.US")
    later = Window(first=date(2024, 2, 1), last=date(2024, 2, 9))
    receive(lake, bars("E.US", later), later)
    curated(lake, later)
    window = Window(first=date(2024, 1, 13), last=date(2024, 1, 26))
    fetched = [(c, "fetched", None, 1.0) for c in ("A.US", "D.US", "E.US")]
    rows = [bars(code, window, 1) for code in ("A.US", "D.US", "E.US")]
    fetches = outcomes(*fetched, ("B.US", "empty", None, 1.0), ("F.US", "unknown", None, 1.0), span=window)
    receive(lake, raw_rows(*rows), window, fetches)
    last, first = Window(first=KNOWN.last, last=KNOWN.last), Window(first=later.first, last=later.first)
    assert unwitnessed(lake, window) == {"A.US": last, "B.US": last, "E.US": first}

    friday = AGAIN.reaching_back(3)
    fetches = outcomes(("C.US", "fetched", None, 1.0), span=friday)
    receive(lake, bars("C.US", friday, 1), AGAIN, fetches)
    assert unwitnessed(lake, AGAIN) == {}
    receive(lake, bars("C.US", AGAIN, 1), AGAIN, fetches)
    assert unwitnessed(lake, AGAIN) == {"C.US": Window(first=friday.first, last=friday.first)}


def test_a_code_whose_last_price_shows_too_little_is_asked_for_its_highest(lake):
    """A dividend of 1 % moves 0.0040 by less than a digit, and 5.0000 by five hundred."""
    fallen = pl.when(pl.col("date") == "2023-11-06").then(5.0).otherwise(0.004)
    for code, prices in (("A.US", fallen), ("B.US", pl.lit(5.0)), ("C.US", pl.lit(0.004))):
        receive(lake, bars(code, KNOWN).with_columns(close=prices, adjusted_close=prices), KNOWN, part=f"window={code}")
    curated(lake, KNOWN)
    week = AGAIN.reaching_back(3)
    last = {"A.US": 0.004, "B.US": 5.0, "C.US": 0.004}
    rows = [bars(code, week, 1).with_columns(close=price, adjusted_close=price) for code, price in last.items()]
    receive(lake, raw_rows(*rows), AGAIN, outcomes(*((code, "fetched", None, 1.0) for code in last), span=week))
    highest = Window(first=date(2023, 11, 6), last=date(2023, 11, 6))
    assert unwitnessed(lake, AGAIN) == {"A.US": highest}
    receive(
        lake,
        raw_row("A.US", "2023-11-06", 2, close=5.0, adjusted_close=4.95),
        AGAIN,
        outcomes(("A.US", "fetched", None, 2), span=highest),
        "witness=00000-of-00001",
    )
    assert restated(lake, AGAIN) == {"A.US": KNOWN.model_copy(update={"last": date(2024, 1, 5)})}


@pytest.mark.parametrize(
    ("witness", "outcome"), [({"adjusted_close": 5.0}, "fetched"), ({"close": None}, "fetched"), (None, "empty")]
)
def test_the_day_that_was_asked_for_tells(lake, witness, outcome):
    """Restated, set to null, or gone; a code for which it says the same as before is not."""
    known(lake, "A.US", "B.US")
    window = Window(first=date(2024, 2, 1), last=date(2024, 2, 9))
    both = outcomes(("A.US", "fetched", None, 1), ("B.US", "fetched", None, 1), span=window)
    receive(lake, raw_rows(bars("A.US", window, 1), bars("B.US", window, 1)), window, both)
    last = Window(first=KNOWN.last, last=KNOWN.last)
    told = [] if witness is None else [raw_row("A.US", str(KNOWN.last), 2, **witness)]
    fetches = outcomes(("A.US", outcome, None, 2), ("B.US", "fetched", None, 2), span=last)
    receive(lake, raw_rows(*told, raw_row("B.US", str(KNOWN.last), 2)), window, fetches, "witness=00000-of-00001")
    assert restated(lake, window) == {"A.US": KNOWN}


def test_older_answers_tell_nothing_of_what_was_fetched_since(lake):
    """A run that was killed is resumed after another one has brought the history up to date."""
    known(lake, "A.US")
    receive(lake, bars("A.US", AGAIN, -1, factor=0.5), AGAIN, outcomes(("A.US", "fetched", None, -1), span=AGAIN))
    assert unwitnessed(lake, AGAIN) == {}
    assert restated(lake, AGAIN) == {}


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
    assert restated(lake, window) == {"A.US": Window(first=date(2023, 11, 1), last=date(2023, 12, 26))}


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
