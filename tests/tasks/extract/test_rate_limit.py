"""Rate limits: one that no minute exceeds, and one for all machines, taken in blocks from a real Prefect server."""

import asyncio
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect import flow, get_client

from tasks.extract.prefect_tasks import _shared_limit
from tasks.extract.rate_limit import SharedRateLimit, own_rate_limit
from tasks.settings import load_settings

# Prefect leaves the sockets of its event stream to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@given(st.integers(1, 100_000))
def test_no_minute_has_more_requests_than_the_limit(per_minute: int) -> None:
    limiter = own_rate_limit(per_minute)
    assert limiter is not None
    rate = limiter.max_rate / limiter.time_period

    most = math.floor(limiter.max_rate + 61 * rate + 1e-6)  # a bucketful, and what flows in a minute and a second

    assert most <= per_minute
    assert rate * 60 >= 0.9 * per_minute  # and not many fewer


def test_places_are_asked_for_in_blocks() -> None:
    asked: list[int] = []

    async def reserve(requests: int) -> None:
        asked.append(requests)
        await asyncio.sleep(0)

    async def take() -> None:
        limit = SharedRateLimit(reserve, block=10)
        await asyncio.gather(*(limit.take() for _ in range(25)))

    asyncio.run(take())
    assert asked == [10, 10, 10]


def test_two_machines_together_keep_to_the_rate(prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_SOURCE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ETL_SOURCE_SHARED_LIMIT", "test-two-machines")
    monkeypatch.setenv("ETL_SOURCE_REQUESTS_PER_MINUTE", "1240")  # twenty a second

    async def machine() -> None:
        limit = await _shared_limit(load_settings())
        assert limit is not None
        for _ in range(40):
            await limit.take()

    @flow
    async def both() -> None:
        await asyncio.gather(machine(), machine())

    begun = time.monotonic()
    asyncio.run(both())
    # Eighty at twenty a second, of which the first block is free: never faster, however slow this machine is.
    assert time.monotonic() - begun >= 2.9


def test_the_limit_follows_the_settings(prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_SOURCE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ETL_SOURCE_SHARED_LIMIT", "test-follows")

    async def of(per_minute: str) -> tuple[int, float]:
        monkeypatch.setenv("ETL_SOURCE_REQUESTS_PER_MINUTE", per_minute)
        await _shared_limit(load_settings())
        async with get_client() as client:
            limit = await client.read_global_concurrency_limit_by_name("test-follows")
        return limit.limit, round(limit.slot_decay_per_second, 6)

    assert asyncio.run(of("620")) == (10, 10.0)
    assert asyncio.run(of("1240")) == (20, 20.0)
    monkeypatch.setenv("ETL_SOURCE_REQUESTS_PER_MINUTE", "0")
    assert asyncio.run(_shared_limit(load_settings())) is None
