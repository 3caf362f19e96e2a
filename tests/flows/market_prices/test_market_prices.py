"""The main job, end to end, through a real server, a real lake and a real warehouse."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.errors import ConfigurationError
from tasks.extract.sample_market import CsvFolder, Faults, Served, SimulatedMarket, revisions, serve
from tasks.sessions.closing_times import last_day_over
from tasks.window import Window
from tests.flows.conftest import AS_OF, YEAR, House, market_frame

# Prefect leaves the sockets of its event stream to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

VALUES = ["open", "high", "low", "close", "adjusted_close", "volume"]


def test_the_warehouse_has_every_row_of_the_market(house: House, served: Served) -> None:
    report = house.run()
    expected = market_frame(served.market, "US", YEAR)
    stored = house.table("prices").with_columns(pl.col("date").str.to_date())
    assert_frame_equal(stored.select("code", "date", *VALUES), expected.select(stored.columns), check_dtypes=False)
    assert f"| rows received | {expected.height:,} |" in report.summary


def test_the_page_is_written(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_DASHBOARD_PATH", str(house.page))
    report = house.run()
    assert report.dashboard == str(house.page)
    assert "2024-06-27" in house.page.read_text(encoding="utf-8")


def test_real_prices_come_through_whole(build: Callable[[str, str], House], real_prices: Path, tmp_path: Path) -> None:
    with serve(CsvFolder(real_prices)) as market:
        house = build("real", market.url)
        house.run(["AAPL", "IBM.US", "MSFT"], Window(first=date(2000, 3, 1), last=date(2013, 3, 1)))
    assert house.table("prices").height == 9_810
    measures = house.table("price_measures").select("code", "week", "average_10w", "weeks_in_average")
    for code in ("AAPL", "IBM", "MSFT"):
        ours = measures.filter(pl.col("code") == f"{code}.US")
        theirs = ten_week_average(
            pd.read_csv(real_prices / f"{code}.csv", index_col="Date", parse_dates=True)["Adj Close"]
        )
        assert ours["week"].to_list() == [str(day.date()) for day in theirs.index]
        assert ours["average_10w"].to_list() == pytest.approx(theirs["mean"].to_list(), rel=1e-12)
        assert ours["weeks_in_average"].to_list() == theirs["count"].to_list()


def ten_week_average(closes: "pd.Series[float]") -> pd.DataFrame:
    """By pandas: the last close of each week, named by its Monday, and the mean of those of 70 days."""
    last = closes.groupby(closes.index - pd.to_timedelta(closes.index.day_of_week, unit="D")).last()
    return last.rolling("70D").agg(["mean", "count"])


def test_the_same_window_again_changes_nothing(house: House, served: Served) -> None:
    house.run()
    tables, loads = house.tables(), house.table("etl_loads")
    snapshots = house.snapshots("curated") + house.snapshots("published")
    asked = served.requests.total
    report = house.run()
    assert house.tables().keys() == tables.keys()
    for name, before in tables.items():
        assert_frame_equal(house.table(name), before)
    assert_frame_equal(house.table("etl_loads"), loads)
    assert house.snapshots("curated") + house.snapshots("published") == snapshots
    assert "| rows loaded | 0 |" in report.summary
    found = re.search(
        r"codes asked for \| (\d+) .*\n\| codes asked now \| 0 \| by this run; (\d+) were in the lake", report.summary
    )
    assert found
    assert found[1] == found[2]
    bulk = 1  # the list of codes
    assert served.requests.total == asked + bulk


def test_revised_prices_change_exactly_the_revised_rows(house: House, served: Served) -> None:
    house.run()
    before = house.table("prices")
    served.faults = Faults(revised=0.01)
    report = house.run(refetch=True)
    after = house.table("prices")
    changed = after.join(before, on=after.columns, how="anti").with_columns(pl.col("date").str.to_date())
    expected = pl.concat(
        rows.select(pl.lit(f"{code}.US").alias("code"), pl.all())
        for code in served.market.codes("US")
        if (rows := revisions(served.market, served.faults, f"{code}.US", YEAR.first, YEAR.last)).height
    ).sort("code", "date")
    assert expected.height > 50
    assert_frame_equal(changed.sort("code", "date"), expected.select(changed.columns), check_dtypes=False)
    assert after.height == before.height
    assert f"| rows revised | {expected.height:,} |" in report.summary


def test_days_before_the_window_are_fetched_again(house: House, served: Served) -> None:
    week = Window(first=date(2024, 6, 10), last=date(2024, 6, 14))
    house.run(window=week)
    served.faults = Faults(revised=0.3)
    later = Window(first=date(2024, 6, 17), last=date(2024, 6, 21))
    house.run(window=later, lag_days=4)
    stored = house.table("prices").with_columns(pl.col("date").str.to_date())
    again = Window(first=date(2024, 6, 12), last=date(2024, 6, 14))  # and the stored day before, which tells
    revised = stored.filter(pl.col("date").is_between(again.first, again.last))
    # Where both closes were revised, that may be another unit: then the older days are fetched again too.
    rows = {c: revisions(served.market, served.faults, c, again.first, again.last) for c in stored["code"].unique()}
    some = pl.col("code").is_in([code for code, of_code in rows.items() if of_code.height < 2])
    untouched = market_frame(served.market, "US", Window(first=week.first, last=date(2024, 6, 11))).filter(some)
    kept = stored.filter(pl.col("date") <= date(2024, 6, 11), some)
    assert_frame_equal(kept.select("code", "date", *VALUES), untouched.select(kept.columns), check_dtypes=False)
    as_first_sent = market_frame(served.market, "US", again)
    assert not revised.select("close").equals(as_first_sent.select("close"))


def test_a_split_restates_the_whole_history(house: House, served: Served) -> None:
    market = served.market
    assert isinstance(market, SimulatedMarket)
    market.as_of = date(2023, 6, 30)
    house.run(window=Window(first=date(2022, 7, 1), last=date(2023, 6, 30)))
    before = house.table("prices")
    market.as_of = AS_OF
    # A window that begins where the history ends, as a weekly run would see it after a year of holidays.
    house.run(window=Window(first=date(2023, 6, 26), last=AS_OF))
    stored = house.table("prices").with_columns(pl.col("date").str.to_date())
    expected = market_frame(market, "US", Window(first=date(2022, 7, 1), last=AS_OF))
    listed_before = expected.join(stored.select("code").unique(), on="code", how="semi")
    old = stored.join(before.with_columns(pl.col("date").str.to_date()), on=["code", "date"])
    assert (old["adjusted_close"] != old["adjusted_close_right"]).sum() > 200
    differing = stored.join(listed_before, on=["code", "date"]).filter(
        (pl.col("adjusted_close") - pl.col("adjusted_close_right")).abs() > 2e-4
    )
    assert differing.is_empty(), differing


def test_an_unknown_code_is_named(house: House, served: Served) -> None:
    known = f"{served.market.codes('US')[0]}.US"
    report = house.run([known, "NOSUCH.US"])
    assert "1 unknown: the source does not know the code (NOSUCH.US)" in report.summary
    assert house.table("prices")["code"].unique().to_list() == [known]


def test_the_scheduled_week_is_fetched_when_no_window_is_given(
    build: Callable[[str, str], House],
) -> None:
    with serve(SimulatedMarket(size=5)) as market:
        house = build("scheduled", market.url)
        began = last_day_over("US", datetime.now(UTC), timedelta(hours=3))
        report = house.run(window=None, lag_days=3)
        expected = market_frame(market.market, "US", report.window)
    assert report.window.days == 10
    assert began <= report.window.last <= last_day_over("US", datetime.now(UTC), timedelta(hours=3))
    stored = house.table("prices").with_columns(pl.col("date").str.to_date())
    assert_frame_equal(stored.select("code", "date"), expected.select("code", "date"), check_dtypes=False)


def test_a_window_of_a_backfill_has_to_be_given(house: House) -> None:
    with pytest.raises(ConfigurationError, match=r"was given no window\. Give it one"):
        house.run(window=None, publish=False)
