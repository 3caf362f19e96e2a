"""Emulated time: it stands still, is moved by hand, or runs faster than the clock on the wall."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from azure_batch_emulator.control.clock import Clock

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_time_that_is_moved_by_hand_stands_still() -> None:
    async def scenario() -> None:
        clock = Clock(speed=0, start=START)
        assert clock.now() == START
        await clock.advance(90)
        assert clock.now() == START + timedelta(seconds=90)

    asyncio.run(scenario())


def test_timers_fire_in_order_each_at_its_own_instant() -> None:
    async def scenario() -> list[tuple[str, datetime]]:
        clock = Clock(speed=0, start=START)
        fired: list[tuple[str, datetime]] = []
        clock.call_later(20, lambda: fired.append(("late", clock.now())))
        clock.call_later(5, lambda: fired.append(("early", clock.now())))
        clock.call_later(5, lambda: fired.append(("early too", clock.now())))
        await clock.advance(60)
        return fired

    assert asyncio.run(scenario()) == [
        ("early", START + timedelta(seconds=5)),
        ("early too", START + timedelta(seconds=5)),
        ("late", START + timedelta(seconds=20)),
    ]


def test_what_follows_from_a_timer_happens_before_time_goes_on() -> None:
    async def scenario() -> list[datetime]:
        clock = Clock(speed=0, start=START)
        woken: list[datetime] = []

        async def sleeper() -> None:
            for _ in range(3):
                await clock.sleep(10)
                woken.append(clock.now())

        sleeping = asyncio.create_task(sleeper())
        await clock.advance(3600)
        assert sleeping.done()
        return woken

    assert asyncio.run(scenario()) == [START + timedelta(seconds=each) for each in (10, 20, 30)]


def test_a_cancelled_timer_does_not_fire() -> None:
    async def scenario() -> list[str]:
        clock = Clock(speed=0, start=START)
        fired: list[str] = []
        clock.call_later(1, lambda: fired.append("cancelled")).cancel()
        clock.call_later(2, lambda: fired.append("kept"))
        await clock.advance(10)
        return fired

    assert asyncio.run(scenario()) == ["kept"]


def test_an_hour_in_a_fraction_of_a_second() -> None:
    async def scenario() -> float:
        clock = Clock(speed=36_000, start=START)
        begun = time.monotonic()
        await clock.sleep(3600)
        assert clock.now() >= START + timedelta(hours=1)
        return time.monotonic() - begun

    assert 0.09 < asyncio.run(scenario()) < 5


def test_the_speed_can_change_while_somebody_waits() -> None:
    async def scenario() -> None:
        clock = Clock(speed=0, start=START)
        sleeping = asyncio.create_task(clock.sleep(600))
        await asyncio.sleep(0)
        clock.speed = 60_000
        await asyncio.wait_for(sleeping, 5)

    asyncio.run(scenario())


def test_time_goes_on_where_it_was_left() -> None:
    clock = Clock(speed=0, start=START)
    clock.not_before(START - timedelta(days=1))
    assert clock.now() == START
    clock.not_before(START + timedelta(days=1))
    assert clock.now() == START + timedelta(days=1)


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="speed of -1"):
        Clock(speed=-1)
    with pytest.raises(ValueError, match="cannot go back by 5"):
        asyncio.run(Clock(speed=0).advance(-5))


@pytest.mark.parametrize("speed", [-1.0, float("nan"), float("inf")])
def test_a_speed_that_makes_no_sense_is_refused_and_changes_nothing(speed: float) -> None:
    async def scenario() -> None:
        clock = Clock(speed=0, start=START)
        with pytest.raises(ValueError, match="speed"):
            clock.speed = speed
        assert (clock.speed, clock.now()) == (0, START)

    asyncio.run(scenario())


@pytest.mark.parametrize("seconds", [-1.0, 1e12, float("inf")])
def test_a_moment_that_cannot_be_is_refused_and_changes_nothing(seconds: float) -> None:
    async def scenario() -> None:
        clock = Clock(speed=0, start=START)
        with pytest.raises(ValueError, match="The clock cannot go"):
            await clock.advance(seconds)
        assert clock.now() == START

    asyncio.run(scenario())
