"""What the lake lacks, after runs of windows as the children of a backfill are: through a real server and lake."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from flows.backfill import backfill
from tasks.coverage import refetches
from tasks.coverage.listings import keep_listing, listed
from tasks.coverage.stored import Missing, Wanted, missing, stored_codes, verdicts
from tasks.datasets import CURATED_WINDOWS, FETCHES, PRICES, RAW_PRICES
from tasks.errors import ConfigurationError
from tasks.extract.sample_market import Faults, Served, SimulatedMarket, serve
from tasks.lake import Change, Lake, SnapshotRef, open_lake
from tasks.lake.fetches import count_outcomes
from tasks.sessions.closing_times import AsOf
from tasks.transform.restatements.seams import seams
from tasks.window import Window
from tests.flows.conftest import House, market_frame

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SPAN = Window(first=date(2023, 1, 1), last=date(2024, 6, 14))
BEFORE, AFTER = SPAN.by_years(1)
DELAY = timedelta(hours=3)


def fetch(house: House, window: Window, codes: list[str] | None = None, **parameters: object) -> None:
    house.run(codes, window, publish=False, **parameters)


def lake_of(house: House) -> Lake:
    return open_lake(str(house.lake))


def lacking(
    house: House, codes: list[str] | None = None, window: Window = AFTER, since: datetime | None = None
) -> Missing:
    wanted = Wanted(codes, "US", AsOf(datetime.now(UTC), DELAY, since))
    return missing(lake_of(house), [window], wanted)[0]


def names(served: Served) -> list[str]:
    return sorted(f"{name}.US" for name in served.market.codes("US", AFTER.last))


def with_fault(served: Served, **rates: float) -> list[str]:
    """The codes that meet it from now on."""
    served.faults = Faults(retry_after_seconds=0, lasting=frozenset({"unavailable_silent"}), **rates)
    return [code for code in names(served) if served.faults.of_code(code)]


def test_one_code_is_not_all_of_them(house: House, served: Served) -> None:
    one = names(served)[:1]
    fetch(house, AFTER, one)
    assert not lacking(house, one)
    assert lacking(house).unlisted
    fetch(house, AFTER)
    assert not lacking(house)
    assert set(count_outcomes(lake_of(house), AFTER)) == {"fetched"}
    keep_listing(lake_of(house), "US", AFTER.last, [*names(served), "NEW.US"], datetime.now(UTC), "test")
    assert list(lacking(house).codes) == ["NEW.US"]


def test_days_that_lie_ahead_are_not_settled(build: Callable[[str, str], House]) -> None:
    now = datetime.now(UTC)
    ahead = Window(first=now.date() - timedelta(days=60), last=now.date() + timedelta(days=400))
    with serve(SimulatedMarket(size=5)) as market:
        house = build("ahead", market.url)
        fetch(house, ahead)
    assert not lacking(house, window=ahead)
    later = Wanted(None, "US", AsOf(now + timedelta(days=30), DELAY))
    assert missing(lake_of(house), [ahead], later)[0].unlisted
    for code in stored_codes(lake_of(house), "US", ahead):
        found = missing(lake_of(house), [ahead], replace(later, codes=[code]))[0].codes[code].days
        assert now.date() - timedelta(days=5) <= found.first <= now.date() + timedelta(days=5)
        assert found.last >= now.date() + timedelta(days=20)


def test_a_listing_is_as_of_when_it_was_given(house: House) -> None:
    lake, day, noon = lake_of(house), date(2024, 6, 14), datetime(2024, 6, 14, 12, tzinfo=UTC)
    keep_listing(lake, "US", day, ["A.US"], noon, "test")
    assert listed(lake, "US", day, AsOf(noon, DELAY)) == ["A.US"]
    assert listed(lake, "US", day, AsOf(noon + timedelta(days=1), DELAY)) is None


def test_codes_that_failed_are_named_with_their_reason(house: House, served: Served) -> None:
    failing = with_fault(served, unavailable_silent=0.1)
    fetch(house, AFTER)
    assert 0 < len(failing) < 20
    found = lacking(house)
    assert list(found.codes) == failing
    assert f"{len(failing)} lack 2024-01-02 to 2024-06-14: failed, " in str(found)
    served.faults = Faults()
    asked = served.requests.total
    fetch(house, AFTER)
    assert not lacking(house)
    assert served.requests.total == asked + len(failing) + 1  # the list of codes


def test_a_code_that_trades_and_comes_without_bars_is_missing_and_asked_again(house: House, served: Served) -> None:
    fetch(house, BEFORE)
    silent = with_fault(served, empty_list=0.05)
    assert 0 < len(silent) < 6
    fetch(house, AFTER)
    found = lacking(house)
    assert list(found.codes) == silent
    assert "no bars, though it had one on 2023-12-29" in str(found)
    assert count_outcomes(lake_of(house), AFTER) == {
        "fetched": len(names(served)) - len(silent),
        "missing": len(silent),
    }
    served.faults = Faults()
    fetch(house, AFTER)
    assert not lacking(house)


def test_more_silence_than_the_limit_stops_and_is_told(house: House, served: Served) -> None:
    fetch(house, BEFORE)
    with_fault(served, empty_list=0.5)
    with pytest.raises(Exception, match=r"completeness: \d+ missing.*no bars, though it had one on 2023-12-29"):
        fetch(house, AFTER)


def test_a_code_that_the_source_does_not_list_any_more_was_delisted(house: House, served: Served) -> None:
    codes = names(served)
    fetch(house, BEFORE, codes)
    gone = with_fault(served, empty_list=0.05)
    keep_listing(lake_of(house), "US", AFTER.last, sorted({*codes} - {*gone}), datetime.now(UTC), "test")
    fetch(house, AFTER, codes)
    assert not lacking(house, codes)
    assert count_outcomes(lake_of(house), AFTER)["empty"] == len(gone) > 0


def test_what_a_check_has_stopped_is_not_in_the_lake(house: House, served: Served) -> None:
    fetch(house, BEFORE)
    with_fault(served, empty_list=0.5)
    with pytest.raises(Exception, match="completeness"):
        fetch(house, AFTER)
    assert verdicts(lake_of(house)) == ({BEFORE, AFTER}, {AFTER})
    assert "a check has stopped them" in str(lacking(house))
    served.faults = Faults()
    fetch(house, AFTER)
    assert not lacking(house)


def test_a_refetch_that_was_stopped_goes_on_where_it_was(house: House, served: Served) -> None:
    fetch(house, AFTER)
    lake = lake_of(house)
    begun = refetches.begin(lake, "key", datetime.now(UTC), "first")
    failing = with_fault(served, unavailable_silent=0.1)
    fetch(house, AFTER, since=begun)
    again = refetches.begin(lake, "key", datetime.now(UTC), "second")
    assert again == begun
    assert list(lacking(house, since=again).codes) == failing
    served.faults = Faults()
    asked = served.requests.total
    fetch(house, AFTER, since=again)
    assert served.requests.total == asked + len(failing) + 1
    assert not lacking(house, since=again)
    refetches.end(lake, "key", again, "second")
    assert refetches.begin(lake, "key", datetime.now(UTC), "third") > begun


def test_no_codes_at_all_are_refused_at_once(house: House) -> None:
    with pytest.raises(ConfigurationError, match="No codes to fetch"):
        asyncio.run(backfill(SPAN.first, SPAN.last, codes=[]))


def test_a_history_that_was_fetched_on_different_days_is_compared(house: House, served: Served) -> None:
    market = served.market
    assert isinstance(market, SimulatedMarket)
    codes = names(served)
    market.as_of = BEFORE.last
    fetch(house, BEFORE, codes)
    make_older(lake_of(house), timedelta(days=1))
    market.as_of = date(2024, 6, 28)
    fetch(house, AFTER, codes)
    wrong = differing(house, served)
    assert wrong > 1000
    asyncio.run(backfill(SPAN.first, SPAN.last, codes))
    assert differing(house, served) == 0
    assert not seams(lake_of(house), SPAN, [BEFORE, AFTER], "America/New_York")
    asked = served.requests.total
    asyncio.run(backfill(SPAN.first, SPAN.last, codes))
    assert served.requests.total == asked


def make_older(lake: Lake, age: timedelta) -> None:
    """All that is stored was fetched so long before."""

    inputs: list[str] = []
    for dataset in (FETCHES, RAW_PRICES, PRICES):
        for snapshot in lake.partitions(dataset):
            rows = lake.read(dataset, [snapshot]).with_columns(pl.col("fetched_at") - age).collect()
            changed = lake.update(dataset, snapshot.partition, replaced_by(Change([rows], ())), "test")
            if changed and dataset is not PRICES:
                inputs.append(changed.snapshot)
    for snapshot in lake.partitions(CURATED_WINDOWS):
        rows = lake.read(CURATED_WINDOWS, [snapshot]).collect()
        lake.update(CURATED_WINDOWS, snapshot.partition, replaced_by(Change([rows], tuple(inputs))), "test")


def replaced_by(change: Change) -> Callable[[SnapshotRef | None], Change]:
    return lambda _: change


def differing(house: House, served: Served) -> int:
    lake = lake_of(house)
    stored = lake.read(PRICES, lake.partitions(PRICES)).select("code", "date", "adjusted_close").collect()
    right = market_frame(served.market, "US", SPAN).select("code", "date", "adjusted_close")
    both = stored.join(right, on=["code", "date"], suffix="_right")
    return both.filter((pl.col("adjusted_close") - pl.col("adjusted_close_right")).abs() > 2e-4).height
