"""The emulator's time: as fast as one likes, or standing still and moved by hand."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

# A continuation of a fired timer may itself await a few things before it is done or asks for the next timer.
_SETTLING_TURNS = 12
FASTEST = 1_000_000
_LAST_YEAR = 9000


class Timer:
    """An action that is due at a moment of emulated time."""

    __slots__ = ("_action", "due")

    def __init__(self, due: float, action: Callable[[], object]) -> None:
        self.due = due
        self._action: Callable[[], object] | None = action

    def cancel(self) -> None:
        self._action = None

    def fire(self) -> None:
        action, self._action = self._action, None
        if action is not None:
            action()

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled or has fired already."""
        return self._action is None


def cancel(*timers: Timer | None) -> None:
    """Those of them that there are."""
    for timer in timers:
        if timer is not None:
            timer.cancel()


class Clock:
    """Emulated seconds. A speed of 60 makes a minute of each second; with a speed of 0 only `advance` moves the time.

    Timers fire in the order in which they are due, on the event loop that was running when they were asked for.
    """

    def __init__(self, *, speed: float = 1.0, start: datetime | None = None) -> None:
        self._start = start or datetime.now(UTC)
        self._elapsed = 0.0
        self._anchor = time.monotonic()
        self._speed = _checked(speed)
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None

    def now(self) -> datetime:
        """The moment in UTC."""
        return self._start + timedelta(seconds=self._seconds())

    @property
    def speed(self) -> float:
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._elapsed, self._anchor, self._speed = self._seconds(), time.monotonic(), _checked(speed)
        self._set_alarm()

    def not_before(self, moment: datetime) -> None:
        """Moves an earlier time to this moment, before anything is due: emulated time goes on where it was left."""
        self._start += max(timedelta(), moment - self.now())

    def call_later(self, seconds: float, action: Callable[[], object]) -> Timer:
        timer = Timer(self._seconds() + max(0.0, seconds), action)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        if self._timers[0][2] is timer:
            self._set_alarm()
        return timer

    async def sleep(self, seconds: float) -> None:
        awake = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, lambda: None if awake.done() else awake.set_result(None))
        try:
            await awake
        finally:
            timer.cancel()

    async def advance(self, seconds: float) -> None:
        """Moves the time on. What falls due on the way happens at its own instant, and so does what follows from it."""
        if seconds < 0:
            raise ValueError(f"The clock cannot go back by {-seconds} seconds.")
        if seconds > (datetime(_LAST_YEAR, 1, 1, tzinfo=UTC) - self.now()).total_seconds():
            raise ValueError(f"The clock cannot go beyond the year {_LAST_YEAR}.")
        await self._settle()
        target = self._seconds() + seconds
        while (due := self._next_due()) is not None and due <= target:
            self._move_to(due)
            self._fire_due(self._elapsed)
            await self._settle()
        self._move_to(target)
        self._set_alarm()

    def _seconds(self) -> float:
        return self._elapsed + (time.monotonic() - self._anchor) * self._speed

    def _move_to(self, seconds: float) -> None:
        self._elapsed, self._anchor = max(self._elapsed, seconds), time.monotonic()

    def _next_due(self) -> float | None:
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _fire_due(self, moment: float) -> None:
        while (due := self._next_due()) is not None and due <= moment:
            heapq.heappop(self._timers)[2].fire()

    async def _settle(self) -> None:
        for _ in range(_SETTLING_TURNS):
            await asyncio.sleep(0)

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due = self._next_due()
        if due is not None and self._speed > 0:
            wait = max(0.0, due - self._seconds()) / self._speed
            self._alarm = asyncio.get_running_loop().call_later(wait, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        try:
            self._fire_due(self._seconds())
        finally:
            self._set_alarm()


def _checked(speed: float) -> float:
    if not 0 <= speed <= FASTEST:  # nor is NaN
        raise ValueError(f"The clock cannot run at a speed of {speed}. Give 0 (standing still) to {FASTEST:,}.")
    return speed
