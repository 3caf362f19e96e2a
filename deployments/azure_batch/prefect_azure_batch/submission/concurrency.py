"""How many flow runs are prepared for submission at the same time.

Each asks Prefect some eight questions before its task can be made. All of a thousand at once would be answered at the
end, all of them, and some too late for Prefect's client, which has 16 connections; so each waits for a place."""

import asyncio
from uuid import UUID


class SubmissionLimiter:
    def __init__(self, at_once: int) -> None:
        self._gate = asyncio.Semaphore(at_once)
        self._taken: set[UUID] = set()

    async def acquire(self, run: UUID) -> None:
        """Waits for a place, which the run has until it is released."""
        await self._gate.acquire()
        self._taken.add(run)

    def release(self, run: UUID) -> None:
        """May be called again, and for a run that never had a place."""
        if run in self._taken:
            self._taken.discard(run)
            self._gate.release()
