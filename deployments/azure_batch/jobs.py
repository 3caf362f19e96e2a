"""Which job takes a task: a long-lived one for each pool and priority, until it is old or full and the next follows.

Workers need not talk to each other: the jobs themselves say which is current. A job that ends with its last task gets
no more, and whoever opens the next one makes it so.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from deployments.azure_batch.client import BatchService
from deployments.azure_batch.diagnosis import lower
from deployments.azure_batch.identifiers import generation_of, own_job_of, shared_job_id

if TYPE_CHECKING:
    from azure.batch import models


_SECONDS_TO_CLOSE = 10


@dataclass(frozen=True)
class Lane:
    """What goes into the same job. With `own`, a task id, the job has this one task and a pool that lives as long."""

    pool: str
    priority: int = 0
    own: str | None = None
    auto_pool: "models.BatchAutoPoolSpecification | None" = field(default=None, compare=False)


@dataclass
class _Job:
    id: str
    created: datetime
    tasks: int


class JobBook:
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
        self._closing: set[asyncio.Task[None]] = set()

    async def current(self, lane: Lane) -> str:
        """The id of a job that takes tasks, which is created where there is none.

        One try: raises what the service says, a full quota too.
        """
        if lane.own:
            return await self._own(lane, lane.own)
        job = self._current.get((lane.pool, lane.priority))
        if job is None or self._is_spent(job):
            job = self._current[lane.pool, lane.priority] = await self._find(lane)
        return job.id

    def added(self, lane: Lane, job_id: str, count: int) -> None:
        """The job has got so many tasks; one that is made for its only task ends with it."""
        if lane.own:
            self._end_with_last_task(job_id)
        elif job := self._current.get((lane.pool, lane.priority)):
            job.tasks += count

    async def close(self) -> None:
        """Waits a little for the jobs that are being closed: what a temporary pool lives for should end by itself."""
        if self._closing:
            await asyncio.wait(self._closing, timeout=_SECONDS_TO_CLOSE)
        for closing in self._closing:
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def leave(self, lane: Lane, job: str) -> None:
        """The job takes no more tasks; the next call of `current` looks for another."""
        known = self._current.get((lane.pool, lane.priority))
        if known and known.id == job:
            del self._current[lane.pool, lane.priority]

    def _is_spent(self, job: _Job) -> bool:
        return job.tasks >= self._tasks_per_job or self._now() - job.created > self._lifetime

    async def _find(self, lane: Lane) -> _Job:
        first = shared_job_id(self.prefix, lane.pool, lane.priority, 1)
        generations: dict[int, models.BatchJob] = {}
        for listed in await self._service.list_jobs(first.rpartition("-")[0], seconds=0):
            if number := generation_of(listed.id, first):
                generations[number] = listed
        for number in sorted(generations, reverse=True):
            if (job := await self._usable(generations[number])) is not None:
                return job
            self._close(generations[number])
        return await self._create(lane, max(generations, default=0) + 1)

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

    async def _create(self, lane: Lane, generation: int) -> _Job:
        from azure.batch import models  # noqa: PLC0415

        job = shared_job_id(self.prefix, lane.pool, lane.priority, generation)
        options = self._options(job, lane, models.BatchPoolInfo(pool_id=lane.pool))
        await self._service.create_job(options)  # when another worker was faster, its job is as good
        return _Job(job, self._now(), 0)

    async def _own(self, lane: Lane, task: str) -> str:
        from azure.batch import models  # noqa: PLC0415

        job = own_job_of(self.prefix, task)
        pool = models.BatchPoolInfo(auto_pool_specification=lane.auto_pool)
        if lane.auto_pool is None:
            pool = models.BatchPoolInfo(pool_id=lane.pool)
        await self._service.create_job(self._options(job, lane, pool))
        return job

    def _options(self, job: str, lane: Lane, pool: "models.BatchPoolInfo") -> "models.BatchJobCreateOptions":
        from azure.batch import models  # noqa: PLC0415

        return models.BatchJobCreateOptions(
            id=job,
            display_name=f"Prefect work pool {self._work_pool}",
            priority=lane.priority,
            pool_info=pool,
            # An empty job would end at once.
            all_tasks_complete_mode="noaction",
            metadata=[models.BatchMetadataItem(name="prefect-work-pool", value=self._work_pool)],
        )
