"""The source is right: after every run of a long life of it, the lake and the warehouse say what it says now."""

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.datasets import PRICE_MEASURES, PRICES
from tasks.extract.sample_market import serve
from tasks.window import Window
from tests.flows.conftest import House, market_frame
from tests.flows.living_source.__main__ import lived
from tests.flows.living_source.exchange import EXCHANGE, Exchange, Listing
from tests.flows.living_source.pipeline import Pipeline

_SECONDS = 45  # for as many seeds as fit into them, one in any case

BEFORE = Window(first=date(2024, 1, 2), last=date(2024, 1, 12))
AFTER = Window(first=date(2024, 2, 1), last=date(2024, 2, 9))
CODES = [f"A.{EXCHANGE}", f"B.{EXCHANGE}"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", [0, 2], ids=["by code", "in bulk"])
def test_whatever_happens_the_lake_says_what_the_source_says(first: int) -> None:
    began = time.monotonic()
    for seed in range(first, 300, 3):
        assert not (story := lived(seed, runs=6)), story
        if time.monotonic() - began > _SECONDS / 2:
            break


def exchange_of_two() -> Exchange:
    """Two codes that trade at 100 on each weekday, from before to after."""
    exchange = Exchange(AFTER.last)
    for code in CODES:
        days = [date.fromordinal(n) for n in range(BEFORE.first.toordinal(), AFTER.last.toordinal() + 1)]
        quoted = {day: (100.0, 1000) for day in days if day.weekday() < 5}
        exchange.listings[code.partition(".")[0]] = Listing(100.0, quoted)
    return exchange


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """A schedule that has missed three weeks: the first window is in the lake."""
    pipeline = Pipeline(tmp_path, exchange_of_two())
    pipeline.run(CODES, BEFORE)
    return pipeline


def stored(pipeline: Pipeline, code: str = CODES[0]) -> pl.DataFrame:
    assert_frame_equal(pipeline.lake_rows(), pipeline.table_rows())
    return pipeline.lake_rows().filter(code=code)


def test_a_split_between_two_windows_restates_what_is_older(pipeline: Pipeline) -> None:
    pipeline.exchange.listings["A"].splits.append((date(2024, 1, 23), 0.5))
    pipeline.run(CODES, AFTER)
    assert stored(pipeline).filter(pl.col("date") <= BEFORE.last)["adjusted_close"].unique().to_list() == [50.0]
    last = Window(first=BEFORE.last, last=BEFORE.last)
    wanted = [*((c, AFTER) for c in CODES), *((c, last) for c in CODES), (CODES[0], BEFORE)]
    assert sorted(pipeline.asked, key=str) == sorted(wanted, key=str)


def test_a_week_with_a_day_in_common_and_nothing_restated_asks_for_no_more(pipeline: Pipeline) -> None:
    again = Window(first=date(2024, 1, 8), last=date(2024, 1, 19))
    pipeline.run(CODES, again)
    back_to_friday = Window(first=date(2024, 1, 5), last=again.last)
    assert sorted(pipeline.asked, key=str) == [(code, back_to_friday) for code in CODES]


def test_a_split_told_late_on_the_first_day_of_a_window_restates_what_is_older(pipeline: Pipeline) -> None:
    """The days that window and lake have in common are not changed by it."""
    pipeline.exchange.listings["A"].splits.append((date(2024, 1, 8), 0.5))
    pipeline.run(CODES, Window(first=date(2024, 1, 8), last=date(2024, 1, 19)))
    assert stored(pipeline).filter(pl.col("date") < date(2024, 1, 8))["adjusted_close"].unique().to_list() == [50.0]


def test_a_dividend_that_the_last_price_is_too_low_to_show(tmp_path: Path) -> None:
    """1 % of 0.0040 is less than the last digit, and of what it was before the crash much more."""
    exchange = exchange_of_two()
    fallen = {d: (100.0 if d < date(2024, 1, 5) else 0.004, v) for d, (_, v) in exchange.listings["A"].quoted.items()}
    exchange.listings["A"].quoted = fallen
    pipeline = Pipeline(tmp_path, exchange)
    pipeline.run(CODES, BEFORE)
    exchange.listings["A"].dividends.append((date(2024, 1, 15), 0.99))
    pipeline.run(CODES, Window(first=date(2024, 1, 8), last=date(2024, 1, 19)))
    assert stored(pipeline)["adjusted_close"].max() == 99.0


def test_a_run_of_an_old_window_restates_what_is_newer(pipeline: Pipeline) -> None:
    pipeline.run(CODES, AFTER)
    pipeline.exchange.listings["A"].dividends.append((date(2024, 3, 1), 0.9))
    pipeline.run(CODES, BEFORE, refetch=True)
    assert stored(pipeline)["adjusted_close"].unique().to_list() == [90.0]


def test_a_code_that_is_not_listed_any_more_is_asked_for_what_the_window_has_of_it(pipeline: Pipeline) -> None:
    """In bulk: it halts, and the last of its bars is withdrawn."""
    listing = pipeline.exchange.listings["A"]
    listing.quoted = {day: bar for day, bar in listing.quoted.items() if day <= BEFORE.last}
    listing.withdrawn.add(BEFORE.last)
    pipeline.run(None, Window(first=date(2024, 1, 8), last=date(2024, 1, 19)))
    assert stored(pipeline)["date"].max() == date(2024, 1, 11)


def test_what_all_of_a_year_was_withdrawn_from_is_gone_from_the_measures(tmp_path: Path) -> None:
    exchange = Exchange(date(2024, 1, 31))
    days = (date(2023, 12, 28), date(2023, 12, 29), date(2024, 1, 2), date(2024, 1, 3))
    exchange.listings["A"] = Listing(100.0, dict.fromkeys(days, (100.0, 1000)))
    pipeline, window = Pipeline(tmp_path, exchange), Window(first=days[0], last=days[-1])
    pipeline.run(CODES, window)
    exchange.listings["A"].withdrawn |= {*days[:2]}
    exchange.listings["A"].empty |= {*days[2:]}
    figures = pipeline.run(CODES, window, refetch=True)
    assert (figures.received, figures.quarantined, figures.withdrawn) == (2, 2, 4)
    for dataset in (PRICES, PRICE_MEASURES):
        assert pipeline.lake_rows(dataset).is_empty()
        assert pipeline.table_rows(dataset).is_empty()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_flow_itself_over_http(build: Callable[[str, str], House], monkeypatch: pytest.MonkeyPatch) -> None:
    """A split while the schedule was missed, a bar withdrawn, one set to null, a code in another unit: in bulk."""
    exchange = exchange_of_two()
    with serve(exchange) as market:
        house = build("living", market.url)
        monkeypatch.setenv("ETL_EXCHANGE", EXCHANGE)
        house.run(window=BEFORE)
        exchange.listings["A"].splits.append((date(2024, 1, 23), 0.5))
        exchange.listings["B"].unit = 0.01
        house.run(window=AFTER)
        exchange.listings["A"].withdrawn.add(date(2024, 2, 7))
        exchange.listings["B"].empty.add(date(2024, 2, 8))
        report = house.run(window=AFTER, refetch=True)
        both = [market_frame(exchange, EXCHANGE, window) for window in (BEFORE, AFTER)]
    expected = pl.concat(both).sort("code", "date").drop_nulls()
    found = house.table("prices").with_columns(pl.col("date").str.to_date())
    assert_frame_equal(found, expected.select(found.columns), check_dtypes=False)
    assert "| rows withdrawn | 2 |" in report.summary
    assert f"A.{EXCHANGE} 2024-02-07, B.{EXCHANGE} 2024-02-08" in report.summary
    assert sorted(house.table("etl_runs")["withdrawn"]) == [0, 0, 2]
    assert house.table("price_measures")["adjusted_close"].max() == 100.0
