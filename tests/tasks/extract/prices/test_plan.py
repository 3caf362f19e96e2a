"""Shards of codes into the lake: planned, fetched once, and resumed where they ended."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tasks.codes import qualified
from tasks.datasets import FETCHES, RAW_PRICES, Dataset
from tasks.errors import AuthenticationError, ConfigurationError, EtlError, QuotaExhausted, TransientError
from tasks.extract.http import Http, HttpLimits
from tasks.extract.prices.eodhd import Eodhd
from tasks.extract.prices.plan import Extracted, Part, Shard, extract, plan, raise_if_down, raw_folder
from tasks.extract.sample_market import Accounts, Faults, Plan, Served, SimulatedMarket, serve
from tasks.lake import Lake, open_lake
from tasks.sessions.closing_times import AsOf
from tasks.window import Window
from tests.tasks.extract.conftest import AS_OF

JUNE = Window(first=date(2024, 6, 3), last=date(2024, 6, 14))
MAY = Window(first=date(2024, 5, 1), last=date(2024, 6, 2))
LIMITS = HttpLimits(connections=16, per_minute=0, timeout=5.0, attempts=1, retry_wait=0.0)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path / "lake"))


def codes_of(source: Served, number: int = 60) -> list[str]:
    return sorted(f"{name}.US" for name in source.market.codes("US", AS_OF))[:number]


def as_of(*, refetch: bool = False) -> AsOf:
    now = datetime.now(UTC)
    return AsOf(now, timedelta(hours=3), now if refetch else None)


def run(
    lake: Lake,
    source: Served,
    codes: Sequence[str],
    shards: int | None = 1,
    part: Part = "window",
    *,
    refetch: bool = False,
    in_flight: int = 8,
) -> list[Extracted]:
    """One run over all shards, up to the first error."""

    async def all_shards() -> list[Extracted]:
        async with Http(LIMITS) as http:
            eodhd = Eodhd(http, source.url, "demo")
            planned = plan(dict.fromkeys(codes, JUNE if part == "window" else MAY), JUNE, part, shards)
            return [
                await extract(
                    lake, eodhd, s, "run", in_flight, as_of(refetch=refetch), progress=lambda codes, rows: None
                )
                for s in planned
            ]

    return asyncio.run(all_shards())


def rows(lake: Lake, dataset: Dataset) -> pl.DataFrame:
    """All of the window but the time, in an order that does not depend on shards."""
    found = lake.read(dataset, lake.partitions(dataset, raw_folder(JUNE))).drop("fetched_at").collect()
    return found.sort("code", maintain_order=True)


def outcomes(lake: Lake) -> dict[str, str]:
    found = rows(lake, FETCHES).select("code", "outcome").cast(pl.String).rows()
    assert not [code for code, times in Counter(code for code, _ in found).items() if times > 1]
    return dict(found)


def assert_same(one: Lake, other: Lake) -> None:
    for dataset in (RAW_PRICES, FETCHES):
        assert_frame_equal(rows(one, dataset), rows(other, dataset))


@pytest.mark.parametrize(
    ("codes", "found"),
    [
        (["AAPL.US"], ["AAPL.US"]),
        (["aapl.us", " AAPL.US ", "AAPL"], ["AAPL.US"]),
        (["MSFT", "brk-b", "VOD.LSE"], ["BRK-B.LSE", "MSFT.LSE", "VOD.LSE"]),
        (["BTC-USD.CC", "M&M.NSE", "^GSPC.INDX"], ["BTC-USD.CC", "M&M.NSE", "^GSPC.INDX"]),
        (["A.B.US"], ["A.B.US"]),
    ],
)
def test_codes_are_written_in_one_way(codes: list[str], found: list[str]) -> None:
    exchange = "lse" if "VOD.LSE" in codes else "US"

    assert qualified(codes, exchange) == found


@pytest.mark.parametrize(
    "code",
    [
        *("", " ", ".US", "AAPL.", "AAPL US", "AAPL/MSFT", "../x.US", "A?B.US", "A#B.US", "A%41.US", 'A"B.US'),
        *("A\\B.US", "A\n.US", "A\x00B", "A" * 38 + ".US", "ÅÄÖ.ST", "ß.US", "ﬁ.US"),
    ],
)
def test_what_is_no_code_is_refused(code: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is not an instrument's code\. Codes look like AAPL") as refused:
        qualified(["MSFT.US", code], "US")

    assert repr(code.strip()) in str(refused.value)


def test_no_codes_at_all_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="No codes to fetch"):
        qualified([], "US")


def test_the_longest_code_is_that_of_the_contract() -> None:
    assert qualified(["A" * 37 + ".US"], "US") == ["A" * 37 + ".US"]


@given(st.sets(st.from_regex(r"[A-Z]{1,5}\.US", fullmatch=True), min_size=1), st.none() | st.integers(1, 20))
def test_every_code_is_in_one_shard_and_no_shard_is_empty(codes: set[str], shards: int | None) -> None:
    planned = plan(dict.fromkeys(sorted(codes), JUNE), JUNE, "window", shards)

    assert sorted(code for shard in planned for code in shard.codes) == sorted(codes)
    assert all(shard.codes for shard in planned)
    assert {shard.of for shard in planned} == {shards or 1}
    assert len({shard.partition for shard in planned}) == len(planned)


@pytest.mark.parametrize(
    ("codes", "days", "at_least"), [(2000, 5, 1), (2001, 5, 2), (5000, 3653, 9), (1, 20_000, 1), (20_000, 7, 10)]
)
def test_a_shard_fits_into_memory_and_a_crash_costs_little(codes: int, days: int, at_least: int) -> None:
    span = Window(first=AS_OF - timedelta(days=days - 1), last=AS_OF)
    planned = plan({f"C{n}.US": span for n in range(codes)}, JUNE, "history")

    assert at_least <= planned[0].of <= at_least + 1


@pytest.mark.parametrize("shards", [0, -1])
def test_less_than_one_shard_is_refused(shards: int) -> None:
    with pytest.raises(ConfigurationError, match=f"{shards} shards cannot hold any codes"):
        plan({"AAPL.US": JUNE}, JUNE, "window", shards)


def test_a_shard_is_told_by_its_partition() -> None:
    (shard,) = plan({"AAPL.US": MAY}, JUNE, "history", 1)

    assert shard.partition == "window=2024-06-03_2024-06-14/history=00000-of-00001"
    assert Shard.model_validate_json(shard.model_dump_json()) == shard


def test_what_came_is_published_with_its_figures(lake: Lake, source: Served) -> None:
    codes = codes_of(source)
    results = run(lake, source, codes, shards=3)

    assert sum(r.codes_asked for r in results) == len(codes)
    assert sum(r.rows_received for r in results) == 10 * len(codes)
    assert outcomes(lake) == dict.fromkeys(codes, "fetched")
    assert rows(lake, RAW_PRICES).height == 10 * len(codes)
    for result in results:
        assert result.prices == lake.current(RAW_PRICES, getattr(result.prices, "partition", ""))
        assert result.fetches == lake.current(FETCHES, getattr(result.fetches, "partition", ""))


def test_raw_rows_are_as_they_came_and_codes_are_asked_for_by_their_shard(lake: Lake, source: Served) -> None:
    """So that what curates one shard of the lake skips the row groups of the others."""
    run(lake, source, codes_of(source), in_flight=1)
    (snapshot,) = lake.partitions(RAW_PRICES)
    found = lake.read(RAW_PRICES, [snapshot]).collect()

    assert found["shard"].is_sorted()
    assert found["code"].rle().len() == len(codes_of(source))
    assert all(bars["date"].is_sorted() for _, bars in found.group_by("code"))


def test_a_code_that_was_answered_is_not_fetched_again(lake: Lake, source: Served) -> None:
    source.faults = Faults(not_found=0.2, empty_list=0.2)
    codes = codes_of(source)
    run(lake, source, codes, shards=2)
    before = lake.partitions(RAW_PRICES), lake.partitions(FETCHES)
    source.requests.clear()

    again = run(lake, source, codes, shards=2)

    assert source.requests.total == 0
    assert [r.codes_asked for r in again] == [0, 0]
    assert (lake.partitions(RAW_PRICES), lake.partitions(FETCHES)) == before
    assert set(outcomes(lake).values()) == {"fetched", "unknown", "empty"}


def test_only_new_codes_are_fetched(lake: Lake, source: Served, tmp_path: Path) -> None:
    codes = codes_of(source)
    run(lake, source, codes[:20])
    source.requests.clear()

    run(lake, source, codes)

    assert source.requests.total == len(codes) - 20
    fresh = open_lake(str(tmp_path / "fresh"))
    run(fresh, source, codes)
    assert_same(lake, fresh)


@pytest.mark.parametrize("shards", [1, 4])
def test_refetching_fetches_all_again_and_takes_what_is_new(
    lake: Lake, source: Served, tmp_path: Path, shards: int
) -> None:
    codes = codes_of(source)
    run(lake, source, codes)
    source.faults = Faults(revised=0.2, not_found=0.1)
    source.requests.clear()

    run(lake, source, codes, shards, refetch=True)

    assert source.requests.total == len(codes)
    fresh = open_lake(str(tmp_path / "fresh"))
    run(fresh, source, codes, shards)
    assert_same(lake, fresh)
    assert "unknown" in outcomes(lake).values()


@pytest.mark.parametrize("shards", [1, 3, 7])
def test_codes_that_failed_are_fetched_again_in_whatever_shards(
    lake: Lake, source: Served, tmp_path: Path, shards: int
) -> None:
    codes = codes_of(source)
    source.faults = Faults(server_error=0.2, bare_number=0.2, lasting=frozenset({"server_error"}))
    run(lake, source, codes, shards=3)
    failed = [code for code, outcome in outcomes(lake).items() if outcome in {"failed", "refused"}]
    assert failed
    source.faults = Faults()
    source.requests.clear()

    run(lake, source, codes, shards)

    assert source.requests.total == len(failed)
    assert outcomes(lake) == dict.fromkeys(codes, "fetched")
    fresh = open_lake(str(tmp_path / "fresh"))
    run(fresh, source, codes)
    assert_same(lake, fresh)


def test_codes_of_other_runs_of_the_window_stay(lake: Lake, source: Served) -> None:
    codes = codes_of(source)
    run(lake, source, codes[:30], shards=2)

    run(lake, source, codes[30:], shards=3)
    run(lake, source, codes[:10], shards=5, refetch=True)

    assert outcomes(lake) == dict.fromkeys(codes, "fetched")
    assert rows(lake, RAW_PRICES).height == 10 * len(codes)


class Clock:
    now = datetime(2024, 6, 28, 22, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.mark.parametrize(("shards", "in_flight"), [(1, 1), (1, 8), (4, 8)])
def test_a_quota_that_ends_is_waited_for_and_nothing_is_lost(
    lake: Lake, source: Served, tmp_path: Path, shards: int, in_flight: int
) -> None:
    clock, codes = Clock(), codes_of(source)
    accounts = Accounts({"demo": Plan("few", daily_limit=25)}, clock)
    with serve(SimulatedMarket(60, seed=7, as_of=AS_OF), accounts=accounts) as poor:
        for day in range(10):
            try:
                run(lake, poor, codes, shards, in_flight=in_flight)
                break
            except QuotaExhausted:
                assert len(outcomes(lake)) > day * 10
                clock.now += timedelta(days=1)
        answered = poor.requests.by_status[200]

    assert day >= 2
    assert outcomes(lake) == dict.fromkeys(codes, "fetched")
    assert answered <= len(codes) + day * in_flight  # those under way when the quota ended are asked for again
    fresh = open_lake(str(tmp_path / "fresh"))
    run(fresh, source, codes)
    assert_same(lake, fresh)


@pytest.mark.parametrize(("fault", "error"), [("unauthorized", AuthenticationError), ("reset", TransientError)])
def test_what_came_before_an_error_is_kept(lake: Lake, source: Served, fault: str, error: type[EtlError]) -> None:
    codes = codes_of(source)
    run(lake, source, codes[:5])
    source.faults = Faults.model_validate({fault: 1.0, "lasting": [fault] if fault == "reset" else []})

    with pytest.raises(error):
        run(lake, source, codes)

    kept = outcomes(lake)
    assert {code for code, outcome in kept.items() if outcome == "fetched"} == set(codes[:5])
    source.faults = Faults()
    source.requests.clear()
    run(lake, source, codes)
    assert source.requests.total == len(codes) - 5
    assert outcomes(lake) == dict.fromkeys(codes, "fetched")


def test_a_crash_between_bars_and_outcomes_doubles_nothing(lake: Lake, source: Served, tmp_path: Path) -> None:
    """The bars are there, and nothing tells that they came."""
    codes = codes_of(source, 10)
    run(lake, source, codes)
    (lost,) = lake.partitions(FETCHES)
    lake.store.delete(f"raw/fetches/{lost.partition}/_current.json")

    run(lake, source, codes)

    assert rows(lake, RAW_PRICES).height == 10 * len(codes)
    assert outcomes(lake) == dict.fromkeys(codes, "fetched")


def test_older_days_are_fetched_beside_the_window(lake: Lake, source: Served) -> None:
    codes = codes_of(source, 5)
    run(lake, source, codes)
    window = rows(lake, RAW_PRICES)

    run(lake, source, codes, shards=2, part="history")

    found = lake.partitions(RAW_PRICES, raw_folder(JUNE))
    assert {s.partition.partition("/")[2].partition("=")[0] for s in found} == {"window", "history"}
    assert rows(lake, RAW_PRICES).height == window.height + 22 * len(codes)  # sessions of May 2024
    assert_frame_equal(rows(lake, RAW_PRICES).filter(pl.col("date") >= "2024-06-03"), window)


def test_windows_do_not_share_what_they_fetch(lake: Lake, source: Served) -> None:
    codes = codes_of(source, 3)
    run(lake, source, codes)
    source.requests.clear()

    async def other() -> Extracted:
        (shard,) = plan(dict.fromkeys(codes, MAY), MAY, "window", 1)
        async with Http(LIMITS) as http:
            eodhd = Eodhd(http, source.url, "demo")
            return await extract(lake, eodhd, shard, "run", 2, as_of(), progress=lambda codes, rows: None)

    assert asyncio.run(other()).codes_asked == 3
    assert rows(lake, RAW_PRICES).height == 30


@pytest.mark.parametrize("shards", [1, 3])
def test_a_source_that_fails_the_few_codes_there_are_is_down(lake: Lake, source: Served, shards: int) -> None:
    source.faults = Faults(unavailable=1, retry_after_seconds=0)
    extracted = run(lake, source, codes_of(source, 4), shards=shards)
    with pytest.raises(TransientError, match=r"failed all 4 codes\. The last: .*503.* when the source is back"):
        raise_if_down(extracted)


def test_a_source_that_fails_the_one_code_asked_for_again_is_not_down(lake: Lake, source: Served) -> None:
    run(lake, source, codes_of(source, 3))
    source.faults = Faults(unavailable=1, retry_after_seconds=0)
    raise_if_down(run(lake, source, codes_of(source, 4)))
    assert sorted(outcomes(lake).values()) == ["failed", "fetched", "fetched", "fetched"]
