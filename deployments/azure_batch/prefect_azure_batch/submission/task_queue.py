"""Gives tasks to the service: many at once in one request, each judged by its own result, until each is in a job.

Trying again is safe, for the id of a task is chosen here: one that exists already is the one that was to be made.
What the service cannot take now waits, until the deadline of its submission.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prefect_azure_batch.service.client import BatchService
from prefect_azure_batch.service.diagnosis import lower
from prefect_azure_batch.service.errors import AzureBatchError, OutOfTime, Refused, ServiceError
from prefect_azure_batch.service.retry import RetryPolicy
from prefect_azure_batch.shutdown import cancelled
from prefect_azure_batch.submission.job_rotation import JobKey, JobRotation
from prefect_azure_batch.submission.pending_task import PendingTask, first_collection, run_of

if TYPE_CHECKING:
    from azure.batch import models

_BUSY = frozenset({"activejobandschedulequotareached", "poolquotareached", "poolbeingcreated", "poolbeingresized"})
_NEXT_JOB = frozenset(
    {
        "jobnotfound",
        "jobcompleted",
        "jobbeingterminated",
        "jobbeingdeleted",
        "jobdisabled",
        "jobnotactive",
        "jobterminating",
        "operationinvalidforcurrentstate",
    }
)


class TaskQueue:
    """`trouble` is what the service last said against a submission that still waits, by the key of its job."""

    def __init__(
        self, service: BatchService, job_rotation: JobRotation, retry_policy: RetryPolicy, collect: float
    ) -> None:
        self.service, self.job_rotation = service, job_rotation
        self._retry_policy, self._collect = retry_policy, collect
        self._queues: dict[JobKey, list[PendingTask]] = {}
        self._senders: dict[JobKey, asyncio.Task[None]] = {}
        self.trouble: dict[JobKey, str] = {}

    async def submit(self, task: "models.BatchTaskCreateOptions", job_key: JobKey) -> str:
        """The id of the job that has the task now.

        Raises Refused with the service's words when it will never take it, OutOfTime at the deadline.
        """
        deadline = self._retry_policy.now() + self._retry_policy.deadline
        pending = PendingTask(task, deadline, asyncio.get_running_loop().create_future())
        self._queues.setdefault(job_key, []).append(pending)
        if job_key not in self._senders:
            self._senders[job_key] = asyncio.create_task(self._send(job_key))
        return await pending.job

    async def close(self) -> None:
        await cancelled(self._senders.values())
        await self.job_rotation.close()

    async def _send(self, job_key: JobKey) -> None:
        """Runs until no task waits for the job of this key."""
        tries = 0
        try:
            while queue := self._waiting(job_key):
                if not tries:
                    await self._retry_policy.sleep(self._collect)
                problem = await self._send_some(job_key, first_collection(queue))
                if problem is None:
                    tries = 0
                    self.trouble.pop(job_key, None)
                    continue
                self.trouble[job_key] = str(problem)
                await self._expire(job_key, problem)
                await self._retry_policy.sleep(self._retry_policy.wait(tries, getattr(problem, "retry_after", None)))
                tries += 1
        finally:
            del self._senders[job_key], self._queues[job_key]
            self.trouble.pop(job_key, None)

    def _waiting(self, job_key: JobKey) -> list[PendingTask]:
        queue = [pending for pending in self._queues[job_key] if not pending.job.done()]
        self._queues[job_key][:] = queue
        return queue

    async def _send_some(self, job_key: JobKey, some: Sequence[PendingTask]) -> AzureBatchError | None:
        """What kept a task from being taken, if it may pass."""
        job = ""
        try:
            job = await self.job_rotation.current(job_key)
            await self._look_back(job, some)
            some = [pending for pending in some if not pending.job.done()]
            if not some:
                return None
            results = await self.service.add_tasks(job, [pending.task for pending in some])
        except (OutOfTime, Refused) as error:
            return await self._judge_request(job_key, job, some, error)
        except Exception as error:  # noqa: BLE001
            # A fault of ours must reach those who wait, or they would wait for ever.
            for pending in some:
                pending.fail(error)
            return None
        by_id = {result.task_id.lower(): result for result in results}
        problems = [await self._judge(job_key, job, pending, by_id) for pending in some]
        return next((problem for problem in problems if problem), None)

    async def _judge(
        self, job_key: JobKey, job: str, pending: PendingTask, results: "dict[str, models.BatchTaskCreateResult]"
    ) -> AzureBatchError | None:
        result = results.get(pending.task.id.lower())
        if result is None:
            return AzureBatchError(f"The answer of Azure Batch says nothing about task {pending.task.id}.")
        error = result.error
        if error is None and lower(result.status) == "success":
            self.job_rotation.added(job_key, job, 1)
            pending.succeed(job)
            return None
        code = (error.code if error else None) or "no code"
        if lower(code) == "taskexists":
            return await self._adopt(pending, job)
        words = (error.message.value if error and error.message else None) or "no message"
        values = {value.key or "": value.value or "" for value in (error.error_values if error else None) or ()}
        what = f"add task {pending.task.id} to job {job}"
        if lower(code) in _NEXT_JOB:
            self.job_rotation.retire(job_key, job)
        elif lower(result.status) != "servererror" and lower(code) not in _BUSY | {"toomanyrequests", "serverbusy"}:
            pending.fail(Refused(what, 400, code, words.split("\nRequestId:")[0], values=values))
            return None
        return ServiceError(what, 503, code, words.split("\nRequestId:")[0], values=values)

    async def _judge_request(
        self, job_key: JobKey, job: str, some: Sequence[PendingTask], error: OutOfTime | Refused
    ) -> AzureBatchError | None:
        cause = error.__cause__ if isinstance(error, OutOfTime) else error
        code = lower(getattr(cause, "code", ""))
        if isinstance(error, OutOfTime):
            # No answer, or an error of the service's own: the tasks may have been added.
            for pending in some:
                pending.doubtful.add(job)
            return cause if isinstance(cause, AzureBatchError) else error
        if code in _BUSY:
            return error
        if code in _NEXT_JOB and not (job_key.own_task and code != "jobnotfound"):
            self.job_rotation.retire(job_key, job)
            return error
        if code == "requestbodytoolarge" and len(some) > 1:
            half = len(some) // 2
            first, second = some[:half], some[half:]
            return await self._send_some(job_key, first) or await self._send_some(job_key, second)
        for pending in some:
            pending.fail(error)
        return None

    async def _look_back(self, job: str, some: Sequence[PendingTask]) -> None:
        """Before `job` is given the tasks: whether another has got one of them after all, and will execute it."""
        for pending in some:
            for other in sorted(pending.doubtful - {job, ""}):
                if await self._executes(other, pending.task.id):
                    pending.succeed(other)
                pending.doubtful.discard(other)

    async def _executes(self, job: str, task: str) -> bool:
        found = await self.service.get_task(job, task)
        if found is None or lower(found.state) != "active":
            return found is not None
        # A job that has ended never executes those of its tasks that wait.
        holder = await self.service.get_job(job)
        return holder is not None and lower(holder.state) == "active"

    async def _adopt(self, pending: PendingTask, job: str) -> AzureBatchError | None:
        """A task of this id is in the job: it is ours when it executes the same flow run."""
        try:
            task = await self.service.get_task(job, pending.task.id)
        except AzureBatchError as error:
            return error
        if task is not None and run_of(task) == run_of(pending.task):
            pending.succeed(job)
        elif task is not None:
            what = f"add task {pending.task.id} to job {job}"
            pending.fail(Refused(what, 409, "TaskExists", "A task of this id, which executes something else."))
        return None

    async def _expire(self, job_key: JobKey, problem: AzureBatchError) -> None:
        for pending in self._waiting(job_key):
            if self._retry_policy.now() < pending.deadline or await self._is_there(pending):
                continue
            message = f"Azure Batch did not take the task within {self._retry_policy.deadline:g} seconds: {problem}"
            error = OutOfTime(message)
            error.__cause__ = problem
            pending.fail(error)

    async def _is_there(self, pending: PendingTask) -> bool:
        for job in pending.doubtful - {""}:
            try:
                if await self.service.get_task(job, pending.task.id, seconds=10) is not None:
                    pending.succeed(job)
                    return True
            except AzureBatchError:  # not known; the deadline has passed all the same
                return False
        return False
