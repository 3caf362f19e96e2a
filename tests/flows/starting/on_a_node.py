"""A flow that the tests execute as a Batch task."""

from prefect import flow
from prefect.runtime import flow_run

from flows.starting.resumable import resumable
from tasks.errors import TransientError


@flow
@resumable
async def away_at_first() -> None:
    if flow_run.run_count == 1:
        raise TransientError("The source is away.")
