"""Which job takes a task: a long-lived one for each pool and priority, until it is old or full and the next follows.

Workers need not talk to each other: the jobs themselves say which is current. A job that ends with its last task gets
no more, and whoever opens the next one makes it so.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prefect.logging.loggers import get_logger

from prefect_azure_batch.service.client import BatchService
from prefect_azure_batch.service.diagnosis import lower
from prefect_azure_batch.service.identifiers import generation_of, own_job_of, shared_job_id
from prefect_azure_batch.shutdown import cancelled

if TYPE_CHECKING:
    from azure.batch import models

_SECONDS_TO_CLOSE = 10
_logger = get_logger("workers.azure_batch")


@dataclass(frozen=True)
class JobKey:
    """What goes into the same job. With `own_task`, its id, the job has this one task and a pool that lives as long."""

    pool: str
    priority: int = 0
    own_task: str | None = None
    auto_pool: "models.BatchAutoPoolSpecification | None" = field(default=None, compare=False)


@dataclass
class _Job:
    id: str
    created: datetime
    tasks: int


class JobRotation:
    """`prefix` is that of all jobs of the work pool."""

    def __init__(
        self,
        service: BatchService,
        prefix: str,
        work_pool: str,
        *,
        tasks_per_job: int,
        lifetime: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._service, self.prefix, self._work_pool = service, prefix, work_pool
        self._tasks_per_job, self._lifetime, self._now = tasks_per_job, lifetime, now
        self._current: dict[tuple[str, int], _Job] = {}
        # The last number of each, for that of a job that was deleted is not used again: the service may still be at it.
        self._generations: dict[tuple[str, int], int] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def current(self, job_key: JobKey) -> str:
        """The id of a job that takes tasks, which is created where there is none.

        One try: raises what the service says, a full quota too.
        """
        if job_key.own_task:
            return await self._own(job_key, job_key.own_task)
        job = self._current.get((job_key.pool, job_key.priority))
        if job is None or self._is_spent(job):
            job = self._current[job_key.pool, job_key.priority] = await self._find(job_key)
        return job.id

    def added(self, job_key: JobKey, job_id: str, count: int) -> None:
        """The job has got so many tasks; one that is made for its only task ends with it."""
        if job_key.own_task:
            self._end_with_last_task(job_id)
        elif job := self._current.get((job_key.pool, job_key.priority)):
            job.tasks += count

    async def close(self) -> None:
        """Waits a little for the jobs that are being closed: what a temporary pool lives for should end by itself."""
        if self._closing:
            _logger.info("Waits up to %s s for %s jobs to be closed", _SECONDS_TO_CLOSE, len(self._closing))
            await asyncio.wait(self._closing, timeout=_SECONDS_TO_CLOSE)
        await cancelled(self._closing)

    def retire(self, job_key: JobKey, job: str) -> None:
        """The job takes no more tasks; the next call of `current` looks for another."""
        known = self._current.get((job_key.pool, job_key.priority))
        if known and known.id == job:
            del self._current[job_key.pool, job_key.priority]

    def _is_spent(self, job: _Job) -> bool:
        return job.tasks >= self._tasks_per_job or self._now() - job.created > self._lifetime

    async def _find(self, job_key: JobKey) -> _Job:
        first = shared_job_id(self.prefix, job_key.pool, job_key.priority, 1)
        generations: dict[int, models.BatchJob] = {}
        for listed in await self._service.list_jobs(first.rpartition("-")[0], seconds=0):
            if number := generation_of(listed.id, first):
                generations[number] = listed
        for number in sorted(generations, reverse=True):
            if (job := await self._usable(generations[number])) is not None:
                return job
            self._close(generations[number])
        last = self._generations.get((job_key.pool, job_key.priority), 0)
        return await self._create(job_key, max(last, *generations, 0) + 1)

    async def _usable(self, job: "models.BatchJob") -> _Job | None:
        if lower(job.state) != "active" or lower(job.all_tasks_complete_mode) == "terminatejob":
            return None
        found = _Job(job.id, job.creation_time, await self._service.count_tasks(job.id))
        return None if self._is_spent(found) else found

    def _close(self, job: "models.BatchJob") -> None:
        """Not waited for, and if it fails whoever looks for a job next does it."""
        if lower(job.state) == "active" and lower(job.all_tasks_complete_mode) != "terminatejob":
            self._end_with_last_task(job.id)

    def _end_with_last_task(self, job: str) -> None:
        closing = asyncio.create_task(self._service.end_job_after_last_task(job))
        self._closing.add(closing)
        closing.add_done_callback(self._closed)

    def _closed(self, closing: "asyncio.Task[None]") -> None:
        self._closing.discard(closing)
        if not closing.cancelled():
            closing.exception()  # read, so that asyncio does not report it as never retrieved

    async def _create(self, job_key: JobKey, generation: int) -> _Job:
        from azure.batch import models  # noqa: PLC0415

        job = shared_job_id(self.prefix, job_key.pool, job_key.priority, generation)
        options = self._options(job, job_key, models.BatchPoolInfo(pool_id=job_key.pool))
        await self._service.create_job(options)  # when another worker was faster, its job is as good
        self._generations[job_key.pool, job_key.priority] = generation
        return _Job(job, self._now(), 0)

    async def _own(self, job_key: JobKey, task: str) -> str:
        from azure.batch import models  # noqa: PLC0415

        job = own_job_of(self.prefix, task)
        pool = models.BatchPoolInfo(auto_pool_specification=job_key.auto_pool)
        if job_key.auto_pool is None:
            pool = models.BatchPoolInfo(pool_id=job_key.pool)
        await self._service.create_job(self._options(job, job_key, pool))
        return job

    def _options(self, job: str, job_key: JobKey, pool: "models.BatchPoolInfo") -> "models.BatchJobCreateOptions":
        from azure.batch import models  # noqa: PLC0415

        return models.BatchJobCreateOptions(
            id=job,
            display_name=f"Prefect work pool {self._work_pool}",
            priority=job_key.priority,
            pool_info=pool,
            # An empty job would end at once.
            all_tasks_complete_mode="noaction",
            metadata=[models.BatchMetadataItem(name="prefect-work-pool", value=self._work_pool)],
        )
