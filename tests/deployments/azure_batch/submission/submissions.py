"""Submissions to a work pool of their own on an emulator, whose waits pass at once; and what they cost."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Self
from uuid import UUID, uuid4

from azure_batch_emulator.running_emulator import Emulator
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.credentials import AzureBatchCredentials
from prefect_azure_batch.service.client import BatchService, open_service
from prefect_azure_batch.service.identifiers import job_prefix, task_id
from prefect_azure_batch.service.retry import RetryPolicy
from prefect_azure_batch.submission.job_rotation import JobKey, JobRotation
from prefect_azure_batch.submission.task import build_task
from prefect_azure_batch.submission.task_queue import TaskQueue

LANE = JobKey("nodes")


class Submissions:
    """A submitter on a work pool of its own; `waits` are the seconds that it was told to wait, which pass at once."""

    def __init__(self, emulator: Emulator, *, deadline: float = 60, tasks_per_job: int = 10_000) -> None:
        key = AzureBatchCredentials(endpoint=emulator.endpoint, account_name=emulator.account, account_key=emulator.key)
        self.waits: list[float] = []
        self.seconds = 0.0
        retry_policy = RetryPolicy(deadline, 0.5, 60, sleep=self._sleep, now=lambda: self.seconds, jitter=lambda: 0)
        self.service: BatchService = open_service(key.endpoint, key.get_credential(), retry_policy)
        self.job_rotation = JobRotation(
            self.service,
            job_prefix("test", uuid4()),
            "test",
            tasks_per_job=tasks_per_job,
            lifetime=timedelta(days=1),
        )
        self.task_queue = TaskQueue(self.service, self.job_rotation, retry_policy, 0.1)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0.01)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.task_queue.close()
        await self.service.close()

    async def submit(self, run: UUID | None = None, job_key: JobKey = LANE) -> str:
        run = run or uuid4()
        env = {"PREFECT__FLOW_RUN_ID": str(run), "EMULATOR_SIMULATE_SECONDS": "1"}
        task = build_task(task_id(run, 1), run, AzureBatchJobConfiguration(command="x", env=env))
        return await self.task_queue.submit(task, job_key)

    async def many(self, count: int) -> list[str]:
        return await asyncio.gather(*(self.submit() for _ in range(count)))

    async def count(self) -> int:
        """All tasks in all jobs of the work pool."""
        jobs = await self.service.list_jobs(self.job_rotation.prefix)
        return sum([len(await self.service.list_tasks(job.id, None, 10)) for job in jobs])


def perform(emulator: Emulator, work: Callable[[Submissions], Awaitable[Any]], **options: Any) -> Any:
    """What `work(submissions)` gives."""

    async def inside() -> Any:
        async with Submissions(emulator, **options) as submissions:
            return await work(submissions)

    return asyncio.run(inside())


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.001)  # polled, with a deadline


def calls(emulator: Emulator) -> dict[str, int]:
    return dict(emulator.admin("calls")["operations"])
