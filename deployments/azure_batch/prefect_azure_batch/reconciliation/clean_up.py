"""Removes what the work pool has left in the account: jobs and tasks that ended, and temporary pools without a job.

All that is looked at has an id or a mark by which it is this work pool's; a job in which a run has not ended stays.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from batch_launcher.attempts import parse_task_id
from prefect_azure_batch.observation.broken_nodes import BrokenNodes
from prefect_azure_batch.service.client import BatchService, stamp
from prefect_azure_batch.service.diagnosis import lower
from prefect_azure_batch.service.errors import AzureBatchError, Refused
from prefect_azure_batch.service.identifiers import is_own_job
from prefect_azure_batch.settings import WorkerSettings
from prefect_azure_batch.submission.pools import JOB, PREFIX

if TYPE_CHECKING:
    from azure.batch import models
    from azure.batch.aio import BatchClient

    Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]

Final = Callable[[Iterable[UUID]], Awaitable[set[UUID]]]
_TASKS_AT_ONCE = 500  # deleted in one round: each is a call
_NOT_BEFORE = timedelta(minutes=15)  # is a pool without a job left over: its job may have been listed too early


class CleanUp:
    """Cleans one account up; `prefix` is that of the ids of the work pool's jobs."""

    def __init__(
        self,
        service: BatchService,
        prefix: str,
        settings: WorkerSettings,
        logger: "Logger",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._service, self._prefix, self._settings, self._logger, self._now = service, prefix, settings, logger, now
        self._nodes = BrokenNodes(service, logger, remove=settings.remove_broken_nodes)

    async def clean(self, busy: set[str], final: Final, pool: str | None = None) -> None:
        """`busy` are jobs with runs that have not ended, `final` tells which of some runs have, and `pool` is looked at
        beside those of the jobs. What fails is logged, and done at the next time."""
        jobs = await self._careful(self._service.list_jobs(self._prefix, seconds=30)) or []
        for job in jobs:
            await self._careful(self._job(job, busy))
            if self._settings.task_retention_days and lower(job.state) in {"active", "completed"}:
                await self._careful(self._tasks(job.id, self._settings.task_retention_days, final))
        await self._careful(self._temporary_pools())
        for name in sorted({*_pools(jobs), *([pool] if pool else [])}):
            await self._careful(self._nodes.look(name))

    async def _job(self, job: "models.BatchJob", busy: set[str]) -> None:
        age = self._now() - job.creation_time
        info = job.execution_info
        ended = info.end_time if info and lower(job.state) == "completed" else None
        retention = timedelta(days=self._settings.job_retention_days)
        if ended and self._now() - ended > retention and job.id not in busy:
            await self._delete(f"delete job {job.id}", lambda client: client.begin_delete_job(job.id))
        elif lower(job.state) == "active" and lower(job.all_tasks_complete_mode) != "terminatejob":
            # Nobody gives it tasks any more: a shared one that is old, or a run's own whose worker was killed.
            limit = timedelta(seconds=2 * self._settings.submission_seconds)
            if age > (limit if is_own_job(self._prefix, job.id) else timedelta(days=self._settings.days_per_job)):
                await self._service.end_job_after_last_task(job.id)

    async def _tasks(self, job: str, days: float, final: Final) -> None:
        before = stamp(self._now() - timedelta(days=days))
        condition = f"state eq 'completed' and stateTransitionTime lt {before}"
        found = {task.id: parse_task_id(task.id) for task in await self._service.list_tasks(job, condition, seconds=60)}
        ours = {task: parsed[0] for task, parsed in found.items() if parsed}
        some = dict(list(ours.items())[:_TASKS_AT_ONCE])
        over = await final(set(some.values())) if some else set()
        for task, run in some.items():
            if run in over:
                await self._delete_task(job, task)

    async def _delete_task(self, job: str, task: str) -> None:
        await self._delete(f"delete task {task}", lambda client: client.delete_task(job, task))

    async def _temporary_pools(self) -> None:
        for pool in await self._service.call("list the temporary pools", _list_temporary, 30):
            job = _metadata(pool).get(JOB, "")
            old = self._now() - pool.creation_time > _NOT_BEFORE
            if not job.startswith(self._prefix) or not old or lower(pool.state) == "deleting":
                continue
            found = await self._service.get_job(job, seconds=30)
            if found is None or lower(found.state) == "completed":
                await self._delete_pool(pool.id or "")

    async def _delete_pool(self, pool: str) -> None:
        await self._delete(f"delete pool {pool}", lambda client: client.begin_delete_pool(pool))

    async def _delete(self, what: str, request: "Callable[[BatchClient], Awaitable[object]]") -> None:
        """What is gone, or going, is as good."""
        try:
            await self._service.call(what, request, 30)
        except Refused as refusal:
            if refusal.status not in {404, 409}:
                raise
        else:
            self._logger.info("Clean-up: %s", what)

    async def _careful(self, work: "Awaitable[list[models.BatchJob] | None]") -> "list[models.BatchJob] | None":
        try:
            return await work
        except AzureBatchError as error:
            self._logger.warning("Clean-up goes on: %s", error)
            return None


def _pools(jobs: "Iterable[models.BatchJob]") -> set[str]:
    """The pools of the jobs that may have tasks."""
    active = [job for job in jobs if lower(job.state) == "active"]
    found = {job.execution_info.pool_id for job in active if job.execution_info and job.execution_info.pool_id}
    return found | {job.pool_info.pool_id for job in active if job.pool_info and job.pool_info.pool_id}


async def _list_temporary(client: "BatchClient") -> "list[models.BatchPool]":
    pages = client.list_pools(filter=f"startswith(id,'{PREFIX}_')", select=["id", "state", "creationTime", "metadata"])
    return [pool async for pool in pages]


def _metadata(pool: "models.BatchPool") -> Mapping[str, str]:
    return {item.name: item.value for item in pool.metadata or ()}
