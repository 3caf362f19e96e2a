"""How many requests a source lets through: of one machine, and of all machines that share its account.

The number is a setting, ETL_SOURCE_REQUESTS_PER_MINUTE of `tasks.settings`."""

import asyncio
from collections.abc import Awaitable, Callable

from aiolimiter import AsyncLimiter

# A minute's worth goes out in 62 seconds, a second's worth at a time: on top of what a minute lets through come the
# second's worth at its start, and that of a second that the first request may be on its way.
SECONDS_PER_MINUTE = 62


def requests_per_second(per_minute: float) -> float:
    """The rate by which no minute has more requests than its limit."""
    return per_minute / SECONDS_PER_MINUTE


def own_rate_limit(per_minute: int) -> AsyncLimiter | None:
    """The limit of this process, or none for 0."""
    if not per_minute:
        return None
    rate = requests_per_second(per_minute)
    return AsyncLimiter(max(1.0, rate), max(1.0, 1 / rate))


class SharedRateLimit:
    """Places that several machines share, taken in blocks: one question per block, not per request.

    `reserve(n)` returns once n requests may be made."""

    def __init__(self, reserve: Callable[[int], Awaitable[None]], block: int) -> None:
        self._reserve = reserve
        self._block = block
        self._left = 0
        self._asking = asyncio.Lock()

    async def take(self) -> None:
        """Returns once one request may be made."""
        async with self._asking:
            if not self._left:
                await self._reserve(self._block)
                self._left = self._block
            self._left -= 1
