"""Brings the task of a flow run into a job, and under watch; a run that is cancelled meanwhile is taken back."""

import asyncio
import time
from collections.abc import Awaitable, Container
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

import httpx

from deployments.azure_batch.configuration import AzureBatchJobConfiguration
from deployments.azure_batch.credentials import AzureBatchCredentials
from deployments.azure_batch.errors import ConfigurationError
from deployments.azure_batch.identifiers import Infrastructure, task_id
from deployments.azure_batch.jobs import Lane
from deployments.azure_batch.pools import lane_for
from deployments.azure_batch.retry import Patience
from deployments.azure_batch.site import Site
from deployments.azure_batch.task import build_task
from deployments.azure_batch.turns import Turns
from deployments.azure_batch.watch import Watch

if TYPE_CHECKING:
    from deployments.azure_batch.worker import AzureBatchWorker


class Placing:
    """Of one worker. `runs` are those that are on their way; `turns` end when the service's queue has the task."""

    def __init__(self, worker: "AzureBatchWorker") -> None:
        self._worker = worker
        self.turns = Turns(worker.settings.submissions_at_once)
        self.runs: set[UUID] = set()
        self._asking = asyncio.Lock()
        self._asked = float("-inf")
        self._cancelled: Container[UUID] = ()

    async def place(self, run: UUID, configuration: AzureBatchJobConfiguration) -> Watch | None:
        """None when the run was cancelled before the service took it, or had ended before it was taken from its queue.

        Raises ConfigurationError, Refused and OutOfTime when it never will.
        """
        self.runs.add(run)
        try:
            site = self._worker.site(required(configuration))
            attempt = await self._attempt(run)
            if attempt is None:
                return None
            task = build_task(task_id(run, attempt), run, configuration)
            lane = await lane_for(site.service, configuration, site.book.prefix, task.id)
            self.turns.give_back(run)
            job = await self._until_cancelled(run, site, lane, site.submitter.submit(task, lane))
            if job is None:
                return None
            place = Infrastructure(site.service.host, job, task.id)
            grace, stream = configuration.cancel_grace, configuration.stream_output
            return site.observer.watch(place, run, lane.pool, grace=grace, stream=stream)
        finally:
            self.turns.give_back(run)
            self.runs.discard(run)

    async def _attempt(self, run: UUID) -> int | None:
        """Asks until Prefect answers: an error that left `run` before the task is there would crash the flow run."""
        settings = self._worker.settings
        patience = Patience(settings.submission_seconds, settings.retry_seconds)
        begin, tries = patience.now(), 0
        while True:
            try:
                return await self._worker.runs.attempt(run)
            except httpx.HTTPError:
                if patience.now() - begin > patience.deadline:
                    raise
            await patience.sleep(patience.wait(tries, None))
            tries += 1

    async def _until_cancelled(self, run: UUID, site: Site, lane: Lane, work: Awaitable[str]) -> str | None:
        """What the submission gives, or None when the run is cancelled while the service does not take it."""
        submission = asyncio.ensure_future(work)
        begin, told = time.monotonic(), False
        settings, runs = self._worker.settings, self._worker.runs
        try:
            while not (await asyncio.wait({submission}, timeout=settings.poll_seconds))[0]:
                with suppress(httpx.HTTPError):  # Prefect may be away for a moment
                    if run in await self._cancelling() and not submission.done():
                        await runs.cancelled(run, "Cancelled before Azure Batch had taken its task.")
                        return None
                    late = time.monotonic() - begin > settings.reason_seconds
                    if late and not told and (trouble := site.submitter.trouble.get(lane)):
                        await runs.waiting(run, f"Waiting for Azure Batch to take the task: {trouble}")
                        told = True
        finally:
            if not submission.done():
                submission.cancel()
        return await submission

    async def _cancelling(self) -> Container[UUID]:
        """Asked once for all submissions that wait, and as seldom as the observer asks."""
        async with self._asking:
            if time.monotonic() - self._asked >= self._worker.settings.poll_seconds:
                self._cancelled = await self._worker.runs.cancelling()
                self._asked = time.monotonic()
            return self._cancelled


def required(configuration: AzureBatchJobConfiguration) -> AzureBatchCredentials:
    """Raises ConfigurationError where there are none."""
    if configuration.credentials is None:
        raise ConfigurationError(
            "credentials: no block is given. Create one of the type AzureBatchCredentials, and name it in the work pool"
            " or in the job variable credentials."
        )
    return configuration.credentials
