"""Runs that are prepared at the same time, and take turns."""

import asyncio
from uuid import UUID, uuid4

from prefect_azure_batch.submission.concurrency import SubmissionLimiter


def test_runs_take_turns():
    most, inside = 0, 0

    async def prepare(limiter: SubmissionLimiter, run: UUID) -> None:
        nonlocal most, inside
        await limiter.acquire(run)
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        limiter.release(run)
        limiter.release(run)  # as when the service has the task, and again at the end

    async def work() -> None:
        limiter = SubmissionLimiter(3)
        limiter.release(uuid4())
        await asyncio.gather(*(prepare(limiter, uuid4()) for _ in range(20)))

    asyncio.run(work())
    assert (most, inside) == (3, 0)
