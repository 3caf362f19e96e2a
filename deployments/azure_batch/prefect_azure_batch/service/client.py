"""The one way to the Batch service: every call of the work pool is a method here, so none can forget to be repeated."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from prefect_azure_batch.service.errors import Refused
from prefect_azure_batch.service.retry import RetryPolicy, call_with_retries

if TYPE_CHECKING:
    from azure.batch import models
    from azure.batch.aio import BatchClient
    from azure.core.credentials import AzureNamedKeyCredential
    from azure.core.credentials_async import AsyncTokenCredential

    SignsIn = AzureNamedKeyCredential | AsyncTokenCredential

T = TypeVar("T")
_TASK_FIELDS = ("id", "state", "stateTransitionTime", "executionInfo", "nodeInfo", "constraints")
_JOB_FIELDS = ("id", "state", "creationTime", "poolInfo", "executionInfo", "onAllTasksComplete")


class BatchService:
    """One account. Opened by `open_service`; each method raises Refused, or OutOfTime when `retry_policy` is at its
    end.

    `last_heard` is when the service last answered anything, by the clock of `retry_policy`.
    """

    def __init__(self, host: str, client: "BatchClient", retry_policy: RetryPolicy, credential: object = None) -> None:
        self.host, self.retry_policy = host, retry_policy
        self.last_heard = retry_policy.now()
        self._client, self._credential = client, credential
        self._pools: dict[str, tuple[float, models.BatchPool]] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        await self._client.close()
        if closing := getattr(self._credential, "close", None):
            await closing()

    async def call(
        self, what: str, request: Callable[["BatchClient"], Awaitable[T]], seconds: float | None = None
    ) -> T:
        """For calls that have no method here: `request` gets the SDK's client. `seconds` is a deadline of its own."""
        retry_policy = self.retry_policy if seconds is None else replace(self.retry_policy, deadline=seconds)
        return await call_with_retries(what, lambda: request(self._client), retry_policy, self._heard)

    async def list_tasks(self, job: str, condition: str | None, seconds: float) -> "list[models.BatchTask]":
        """All pages; `condition` in the service's filter language."""

        async def request(client: "BatchClient") -> "list[models.BatchTask]":
            pages = client.list_tasks(job, filter=condition, select=list(_TASK_FIELDS), max_results=1000)
            return [task async for task in pages]

        return await self.call(f"list the tasks of job {job}", request, seconds)

    async def get_task(self, job: str, task: str, seconds: float | None = None) -> "models.BatchTask | None":
        """None when there is no such task or job."""
        what = f"read task {task} of job {job}"
        return await _or_none(self.call(what, lambda client: client.get_task(job, task), seconds))

    async def add_tasks(
        self, job: str, tasks: "Sequence[models.BatchTaskCreateOptions]"
    ) -> "list[models.BatchTaskCreateResult]":
        """One try only; at most 100 tasks and 1 MB, and each result has to be judged."""
        from azure.batch import models  # noqa: PLC0415

        group = models.BatchTaskGroup(task_values=list(tasks))
        answer = await self.call(
            f"add {len(tasks)} tasks to job {job}", lambda client: client.create_task_collection(job, group), 0
        )
        return list(answer.result_values or ())

    async def terminate_task(self, job: str, task: str, seconds: float | None = None) -> bool:
        """False when there is nothing to terminate: the task has ended, or is not there."""
        try:
            await self.call(f"terminate task {task} of job {job}", lambda c: c.terminate_task(job, task), seconds)
        except Refused as refusal:
            if refusal.code in {"TaskCompleted", "TaskNotFound", "JobNotFound", "JobCompleted", "JobBeingDeleted"}:
                return False
            raise
        return True

    async def list_jobs(self, prefix: str, seconds: float | None = None) -> "list[models.BatchJob]":
        async def request(client: "BatchClient") -> "list[models.BatchJob]":
            pages = client.list_jobs(filter=f"startswith(id,'{prefix}')", select=list(_JOB_FIELDS))
            return [job async for job in pages]

        return await self.call(f"list the jobs {prefix}*", request, seconds)

    async def get_job(self, job: str, seconds: float | None = None) -> "models.BatchJob | None":
        return await _or_none(self.call(f"read job {job}", lambda client: client.get_job(job), seconds))

    async def create_job(self, job: "models.BatchJobCreateOptions") -> bool:
        """One try only. False when a job of this id exists."""
        try:
            await self.call(f"create job {job.id}", lambda client: client.create_job(job), 0)
        except Refused as refusal:
            if refusal.code in {"JobExists", "JobWithSameIdExists"}:
                return False
            raise
        return True

    async def end_job_after_last_task(self, job: str) -> None:
        """The job ends by itself when all its tasks have; it may be deleted then."""
        from azure.batch import models  # noqa: PLC0415

        update = models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob")
        await self.call(f"close job {job}", lambda client: client.update_job(job, update))

    async def count_tasks(self, job: str) -> int:
        """Tasks of all states count."""
        answer = await self.call(f"count the tasks of job {job}", lambda client: client.get_job_task_counts(job))
        counts = answer.task_counts
        return counts.active + counts.running + counts.completed

    async def get_pool(self, pool: str, seconds: float | None = None, max_age: float = 0) -> "models.BatchPool":
        """May be as old as `max_age` in seconds: many runs that are submitted at once need not ask each."""
        async with self._asking.setdefault(pool, asyncio.Lock()):
            if (known := self._pools.get(pool)) and self.retry_policy.now() - known[0] < max_age:
                return known[1]
            found = await self.call(f"read pool {pool}", lambda client: client.get_pool(pool), seconds)
            self._pools[pool] = self.retry_policy.now(), found
            return found

    async def create_pool(self, pool: "models.BatchPoolCreateOptions") -> bool:
        """False when a pool of this id exists."""
        try:
            await self.call(f"create pool {pool.id}", lambda client: client.create_pool(pool))
        except Refused as refusal:
            if refusal.code == "PoolExists":
                return False
            raise
        return True

    async def node_counts(self, pool: str, seconds: float | None = None) -> "models.BatchPoolNodeCounts | None":
        async def request(client: "BatchClient") -> "list[models.BatchPoolNodeCounts]":
            return [counts async for counts in client.list_pool_node_counts(filter=f"poolId eq '{pool}'")]

        counts = await self.call(f"count the nodes of pool {pool}", request, seconds)
        return counts[0] if counts else None

    async def list_nodes(self, pool: str, state: str, seconds: float | None = None) -> "list[models.BatchNode]":
        async def request(client: "BatchClient") -> "list[models.BatchNode]":
            return [node async for node in client.list_nodes(pool, filter=f"state eq '{state}'")]

        return await self.call(f"list the {state} nodes of pool {pool}", request, seconds)

    async def read_file(self, job: str, task: str, path: str, begin: int, size: int, seconds: float = 0) -> bytes:
        """At most `size` bytes of a file of a task from byte `begin` on; none when the file ends before."""

        async def request(client: "BatchClient") -> bytes:
            return await _content(
                client.download_task_file(job, task, path, ocp_range=f"bytes={begin}-{begin + size - 1}")
            )

        return await _read(self.call(f"read {path} of task {task}", request, seconds))

    async def file_size(self, job: str, task: str, path: str, seconds: float = 0) -> int:
        """In bytes."""
        what = f"measure {path} of task {task}"
        properties = await self.call(what, lambda c: c.get_task_file_properties(job, task, path), seconds)
        return int(properties.content_length or 0)

    def _heard(self) -> None:
        self.last_heard = self.retry_policy.now()


def open_service(endpoint: str, credential: "SignsIn", retry_policy: RetryPolicy) -> BatchService:
    """`credential` is closed with the service."""
    from azure.batch.aio import BatchClient  # here, for importing the SDK takes long  # noqa: PLC0415

    # It logs a stack trace for each answer of an error to a download, such as that a file ends here.
    logging.getLogger("azure.batch._utils.model_base").setLevel(logging.ERROR)
    client = BatchClient(endpoint, credential, retry_total=0, connection_timeout=20, read_timeout=60)
    return BatchService(urlsplit(endpoint).netloc, client, retry_policy, credential)


def stamp(moment: datetime) -> str:
    """As a literal of the service's filter language."""
    return f"DateTime'{moment.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}'"


async def _or_none(call: Awaitable[T]) -> T | None:
    try:
        return await call
    except Refused as refusal:
        if refusal.code in {"TaskNotFound", "JobNotFound"}:
            return None
        raise


async def _content(download: Awaitable[AsyncIterator[bytes]]) -> bytes:
    return b"".join([chunk async for chunk in await download])


async def _read(call: Awaitable[bytes]) -> bytes:
    try:
        return await call
    except Refused as refusal:
        if refusal.status == 416:  # the file ends before the range begins
            return b""
        raise
