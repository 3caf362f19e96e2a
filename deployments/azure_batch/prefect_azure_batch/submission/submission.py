"""Brings the task of a flow run into a job, and has it observed; a run that is cancelled meanwhile is taken back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Container
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

import httpx

from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.observation.observed_task import ObservedTask
from prefect_azure_batch.observation.observer import Observer
from prefect_azure_batch.prefect_api.calls import ask_prefect
from prefect_azure_batch.prefect_api.runs import PrefectRuns
from prefect_azure_batch.service.client import BatchService
from prefect_azure_batch.service.errors import AzureBatchError
from prefect_azure_batch.service.identifiers import Infrastructure, task_id
from prefect_azure_batch.service.run_tasks import has_ended, tasks_of
from prefect_azure_batch.settings import WorkerSettings
from prefect_azure_batch.submission.concurrency import SubmissionLimiter
from prefect_azure_batch.submission.job_rotation import JobKey
from prefect_azure_batch.submission.pools import job_key_for
from prefect_azure_batch.submission.task import build_task
from prefect_azure_batch.submission.task_queue import TaskQueue

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun


class Submission:
    """What a worker submits, to whichever accounts. `on_their_way` are the runs that are being submitted; one holds a
    place of `limiter` until the service's queue has the task."""

    def __init__(self, runs: Callable[[], PrefectRuns], settings: WorkerSettings) -> None:
        self._runs, self._settings = runs, settings
        self.limiter = SubmissionLimiter(settings.submissions_at_once)
        self.on_their_way: set[UUID] = set()
        self._asking = asyncio.Lock()
        self._asked = float("-inf")
        self._cancelled: Container[UUID] = ()

    async def submit(
        self, flow_run: "FlowRun", configuration: AzureBatchJobConfiguration, task_queue: TaskQueue, observer: Observer
    ) -> ObservedTask | None:
        """None when the run was cancelled before the service took it, or had ended before it was taken from its queue.

        Raises ConfigurationError, Refused and OutOfTime when it never will.
        """
        run = flow_run.id
        self.on_their_way.add(run)
        service, prefix = task_queue.service, task_queue.job_rotation.prefix
        try:
            attempt = await self._attempt(run)
            if attempt is None:
                return None
            task = build_task(task_id(run, attempt), run, configuration)
            job_key = await job_key_for(service, configuration, prefix, task.id)
            self.limiter.release(run)
            if attempt > 1:
                await self._end_earlier(run, attempt, service, prefix)
            job = await self._until_cancelled(run, job_key, task_queue, task_queue.submit(task, job_key))
            if job is None:
                return None
            infrastructure = Infrastructure(service.host, job, task.id)
            grace, stream = configuration.cancel_grace, configuration.stream_output
            return observer.watch(infrastructure, run, job_key.pool, grace=grace, stream=stream)
        finally:
            self.limiter.release(run)
            self.on_their_way.discard(run)

    async def _end_earlier(self, run: UUID, attempt: int, service: BatchService, prefix: str) -> None:
        """The tasks of earlier attempts, which may go on, make way before the next begins."""
        with suppress(AzureBatchError):  # the reconciliation ends them
            jobs = [job.id for job in await service.list_jobs(prefix, seconds=30)]
            for earlier, (place, task) in (await tasks_of(service, jobs, run)).items():
                if earlier < attempt and not has_ended(task):
                    await service.terminate_task(place.job, place.task, seconds=30)

    async def _attempt(self, run: UUID) -> int | None:
        """Asks until Prefect answers: an error that left `run` before the task is there would crash the flow run."""
        return await ask_prefect("tell the states of the run", lambda: self._runs().attempt(run), self._settings)

    async def _until_cancelled(
        self, run: UUID, job_key: JobKey, task_queue: TaskQueue, work: Awaitable[str]
    ) -> str | None:
        """What the submission gives, or None when the run is cancelled while the service does not take it."""
        submission = asyncio.ensure_future(work)
        begin, told = time.monotonic(), False
        settings, runs = self._settings, self._runs()
        try:
            while not (await asyncio.wait({submission}, timeout=settings.poll_seconds))[0]:
                with suppress(httpx.HTTPError):  # Prefect may be away for a moment
                    if run in await self._cancelling() and not submission.done():
                        await runs.cancelled(run, "Cancelled before Azure Batch had taken its task.")
                        return None
                    late = time.monotonic() - begin > settings.reason_seconds
                    if late and not told and (trouble := task_queue.trouble.get(job_key)):
                        await runs.set_waiting(run, f"Waiting for Azure Batch to take the task: {trouble}")
                        told = True
        finally:
            if not submission.done():
                submission.cancel()
        return await submission

    async def _cancelling(self) -> Container[UUID]:
        """Asked once for all submissions that wait, and as seldom as the observer asks."""
        async with self._asking:
            if time.monotonic() - self._asked >= self._settings.poll_seconds:
                self._cancelled = await self._runs().cancelling()
                self._asked = time.monotonic()
            return self._cancelled
