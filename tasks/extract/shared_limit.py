"""Places within a rate limit that several machines share, taken in blocks: one question per block, not per request."""

import asyncio
from collections.abc import Awaitable, Callable


class SharedLimit:
    """`reserve(n)` returns once n requests may be made."""

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
