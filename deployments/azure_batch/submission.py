"""Gives tasks to the service: many at once in one request, each judged by its own result, until each is in a job.

Trying again is safe, for the id of a task is chosen here: one that exists already is the one that was to be made.
What the service cannot take now waits, until the deadline of its submission.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployments.azure_batch.client import BatchService
from deployments.azure_batch.diagnosis import lower
from deployments.azure_batch.errors import AzureBatchError, OutOfTime, Refused, ServiceError
from deployments.azure_batch.jobs import JobBook, Lane
from deployments.azure_batch.queued import Queued, first_collection, run_of
from deployments.azure_batch.retry import Patience

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


class Submitter:
    """`trouble` is what the service last said against a submission that still waits, by lane."""

    def __init__(self, service: BatchService, book: JobBook, patience: Patience, collect: float) -> None:
        self._service, self._book, self._patience, self._collect = service, book, patience, collect
        self._queues: dict[Lane, list[Queued]] = {}
        self._senders: dict[Lane, asyncio.Task[None]] = {}
        self.trouble: dict[Lane, str] = {}

    async def submit(self, task: "models.BatchTaskCreateOptions", lane: Lane) -> str:
        """The id of the job that has the task now.

        Raises Refused with the service's words when it will never take it, OutOfTime at the deadline.
        """
        deadline = self._patience.now() + self._patience.deadline
        submission = Queued(task, deadline, asyncio.get_running_loop().create_future())
        self._queues.setdefault(lane, []).append(submission)
        if lane not in self._senders:
            self._senders[lane] = asyncio.create_task(self._send(lane))
        return await submission.job

    async def close(self) -> None:
        senders = list(self._senders.values())
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)
        await self._book.close()

    async def _send(self, lane: Lane) -> None:
        """Until nothing waits in the lane."""
        tries = 0
        try:
            while queue := self._waiting(lane):
                if not tries:
                    await self._patience.sleep(self._collect)
                problem = await self._send_some(lane, first_collection(queue))
                if problem is None:
                    tries = 0
                    self.trouble.pop(lane, None)
                    continue
                self.trouble[lane] = str(problem)
                await self._expire(lane, problem)
                await self._patience.sleep(self._patience.wait(tries, getattr(problem, "retry_after", None)))
                tries += 1
        finally:
            del self._senders[lane], self._queues[lane]
            self.trouble.pop(lane, None)

    def _waiting(self, lane: Lane) -> list[Queued]:
        queue = [submission for submission in self._queues[lane] if not submission.job.done()]
        self._queues[lane][:] = queue
        return queue

    async def _send_some(self, lane: Lane, some: Sequence[Queued]) -> AzureBatchError | None:
        """What kept a task from being taken, if it may pass."""
        job = ""
        try:
            job = await self._book.current(lane)
            await self._look_back(job, some)
            some = [submission for submission in some if not submission.job.done()]
            if not some:
                return None
            results = await self._service.add_tasks(job, [submission.task for submission in some])
        except (OutOfTime, Refused) as error:
            return await self._judge_request(lane, job, some, error)
        except Exception as error:  # noqa: BLE001
            # A fault of ours must reach those who wait, or they would wait for ever.
            for submission in some:
                submission.fail(error)
            return None
        by_id = {result.task_id.lower(): result for result in results}
        problems = [await self._judge(lane, job, submission, by_id) for submission in some]
        return next((problem for problem in problems if problem), None)

    async def _judge(
        self, lane: Lane, job: str, submission: Queued, results: "dict[str, models.BatchTaskCreateResult]"
    ) -> AzureBatchError | None:
        result = results.get(submission.task.id.lower())
        if result is None:
            return AzureBatchError(f"The answer of Azure Batch says nothing about task {submission.task.id}.")
        error = result.error
        if error is None and lower(result.status) == "success":
            self._book.added(lane, job, 1)
            submission.succeed(job)
            return None
        code = (error.code if error else None) or "no code"
        if lower(code) == "taskexists":
            return await self._adopt(submission, job)
        words = (error.message.value if error and error.message else None) or "no message"
        values = {value.key or "": value.value or "" for value in (error.error_values if error else None) or ()}
        what = f"add task {submission.task.id} to job {job}"
        if lower(code) in _NEXT_JOB:
            self._book.leave(lane, job)
        elif lower(result.status) != "servererror" and lower(code) not in _BUSY | {"toomanyrequests", "serverbusy"}:
            submission.fail(Refused(what, 400, code, words.split("\nRequestId:")[0], values=values))
            return None
        return ServiceError(what, 503, code, words.split("\nRequestId:")[0], values=values)

    async def _judge_request(
        self, lane: Lane, job: str, some: Sequence[Queued], error: OutOfTime | Refused
    ) -> AzureBatchError | None:
        cause = error.__cause__ if isinstance(error, OutOfTime) else error
        code = lower(getattr(cause, "code", ""))
        if isinstance(error, OutOfTime):
            # No answer, or an error of the service's own: the tasks may have been added.
            for submission in some:
                submission.doubtful.add(job)
            return cause if isinstance(cause, AzureBatchError) else error
        if code in _BUSY:
            return error
        if code in _NEXT_JOB and not (lane.own and code != "jobnotfound"):
            self._book.leave(lane, job)
            return error
        if code == "requestbodytoolarge" and len(some) > 1:
            half = len(some) // 2
            first, second = some[:half], some[half:]
            return await self._send_some(lane, first) or await self._send_some(lane, second)
        for submission in some:
            submission.fail(error)
        return None

    async def _look_back(self, job: str, some: Sequence[Queued]) -> None:
        """Before `job` is given the tasks: whether another has got one of them after all, and will execute it."""
        for submission in some:
            for other in sorted(submission.doubtful - {job, ""}):
                if await self._executes(other, submission.task.id):
                    submission.succeed(other)
                submission.doubtful.discard(other)

    async def _executes(self, job: str, task: str) -> bool:
        found = await self._service.get_task(job, task)
        if found is None or lower(found.state) != "active":
            return found is not None
        # A job that has ended never executes those of its tasks that wait.
        holder = await self._service.get_job(job)
        return holder is not None and lower(holder.state) == "active"

    async def _adopt(self, submission: Queued, job: str) -> AzureBatchError | None:
        """A task of this id is in the job: it is ours when it executes the same flow run."""
        try:
            task = await self._service.get_task(job, submission.task.id)
        except AzureBatchError as error:
            return error
        if task is not None and run_of(task) == run_of(submission.task):
            submission.succeed(job)
        elif task is not None:
            what = f"add task {submission.task.id} to job {job}"
            submission.fail(Refused(what, 409, "TaskExists", "A task of this id, which executes something else."))
        return None

    async def _expire(self, lane: Lane, problem: AzureBatchError) -> None:
        for submission in self._waiting(lane):
            if self._patience.now() < submission.deadline or await self._is_there(submission):
                continue
            message = f"Azure Batch did not take the task within {self._patience.deadline:g} seconds: {problem}"
            error = OutOfTime(message)
            error.__cause__ = problem
            submission.fail(error)

    async def _is_there(self, submission: Queued) -> bool:
        for job in submission.doubtful - {""}:
            try:
                if await self._service.get_task(job, submission.task.id, seconds=10) is not None:
                    submission.succeed(job)
                    return True
            except AzureBatchError:  # not known; the deadline has passed all the same
                return False
        return False
