"""Watches the tasks of flow runs: one list of what changed for each job and poll, whatever the number of runs.

Whatever the service or Prefect answers, the observer goes on; what could not be said now is said at a later poll.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from prefect_azure_batch.decision import Do, decide
from prefect_azure_batch.observation.evidence import evidence_of
from prefect_azure_batch.observation.observed_task import ObservedTask
from prefect_azure_batch.observation.reporter import Reporter
from prefect_azure_batch.prefect_api.runs import PrefectRuns
from prefect_azure_batch.service.client import BatchService, stamp
from prefect_azure_batch.service.diagnosis import gone, held, job_ended, lower
from prefect_azure_batch.service.errors import AzureBatchError, Refused
from prefect_azure_batch.service.identifiers import Infrastructure
from prefect_azure_batch.settings import WorkerSettings
from prefect_azure_batch.shutdown import cancelled

if TYPE_CHECKING:
    from azure.batch import models
    from prefect.client.schemas.objects import FlowRun

T = TypeVar("T")

# How far the changes that are asked for reach back before the last one seen: the service's clocks differ.
_OVERLAP = timedelta(seconds=10)
_AT_ONCE = 16


class Observer:
    """Observes the tasks of one account. `watch` begins, and the result of the observed task ends, what a run waits
    for."""

    def __init__(
        self,
        service: BatchService,
        runs: PrefectRuns,
        settings: WorkerSettings,
        logger: "logging.Logger | logging.LoggerAdapter[logging.Logger]",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service, self._runs, self._settings, self._logger, self._now = service, runs, settings, logger, now
        self._reporter = Reporter(service, runs, settings, now)
        self._observed_tasks: dict[Infrastructure, ObservedTask] = {}
        self._since: dict[str, datetime] = {}
        self._polls = 0
        self._failures = 0
        self._hurry = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    def watch(
        self, infrastructure: Infrastructure, run: UUID, pool: str, *, grace: float, stream: bool
    ) -> ObservedTask:
        """The observed task, which is the same however often it is asked for."""
        if infrastructure not in self._observed_tasks:
            result = asyncio.get_running_loop().create_future()
            self._observed_tasks[infrastructure] = ObservedTask(
                infrastructure, run, pool, grace, stream, self._now(), result
            )
            self._hurry.set()
            if self._loop is None or self._loop.done():
                self._loop = asyncio.create_task(self._observe())
        return self._observed_tasks[infrastructure]

    @property
    def watched(self) -> set[UUID]:
        return {observed.run for observed in self._observed_tasks.values()}

    async def close(self) -> None:
        if self._loop:
            await cancelled([self._loop])

    async def _observe(self) -> None:
        """Polls as long as there is something to watch."""
        while self._observed_tasks:
            begin = self._now()
            self._hurry.clear()
            moved = await self._logged(self.poll(), "poll")
            fast, slow = self._settings.poll_seconds, self._settings.idle_poll_seconds
            pause = fast if moved else min(slow, 2 * fast)
            # A service that does not answer is asked less and less often.
            pause = min(pause * 2**self._failures, max(slow, self._settings.longest_retry_seconds))
            await self._pause(begin + fast, begin + pause)

    async def _pause(self, earliest: float, latest: float) -> None:
        """Waits until `latest`, or until `earliest` when there is a new task to watch."""
        try:
            async with asyncio.timeout(max(0.0, latest - self._now())):
                await self._hurry.wait()
        except TimeoutError:
            return
        await asyncio.sleep(max(0.0, min(earliest, latest) - self._now()))

    async def poll(self) -> bool:
        """Looks once at every job and does what follows from it. Whether a task has moved."""
        self._polls += 1
        whole = (self._polls - 1) % self._settings.whole_list_polls == 0
        cancelling = await self._logged(self._runs.cancelling(), "search for cancelled runs") or {}
        jobs: dict[str, list[ObservedTask]] = {}
        for observed in self._observed_tasks.values():
            jobs.setdefault(observed.infrastructure.job, []).append(observed)
        moves = await self._all(
            (partial(self._look_at, job, observed_tasks, whole) for job, observed_tasks in jobs.items()),
            "look at a job",
        )
        self._failures = 0 if all(move is not None for move in moves) else min(self._failures + 1, 5)
        await self._follow(cancelling, whole)
        self._since = {job: since for job, since in self._since.items() if job in jobs}
        return any(moves)

    async def _look_at(self, job: str, observed_tasks: list[ObservedTask], whole: bool) -> bool:  # noqa: FBT001
        since = self._since.get(job)
        whole = whole or since is None
        conditions = ["state ne 'completed'"] if whole else []
        conditions += [f"stateTransitionTime ge {stamp(since - _OVERLAP)}"] if since else []
        known = {observed.infrastructure.task.lower(): observed for observed in observed_tasks}
        try:
            tasks = await self.service.list_tasks(job, " or ".join(conditions), seconds=0)
        except Refused as refusal:
            if refusal.code != "JobNotFound":
                raise
            tasks, whole = [], True
        changes = [task.state_transition_time for task in tasks]
        if since or changes:
            self._since[job] = max([*changes, *([since] if since else [])])
        moved = [await self._note(known.pop(task.id.lower()), task) for task in tasks if task.id.lower() in known]
        if whole:
            missing = [observed for observed in known.values() if observed.phase != "ended"]
            found = await self._all((partial(self._look_for, observed) for observed in missing), "look for a task")
            moved += [bool(changes) for changes in found]
            await self._look_at_job(job, [observed for observed in observed_tasks if observed.phase == "waiting"])
        return any(moved)

    async def _look_for(self, observed: ObservedTask) -> bool:
        """A task that is not among those in flight has ended, or is gone."""
        task = await self.service.get_task(observed.infrastructure.job, observed.infrastructure.task, seconds=0)
        if task is not None:
            return await self._note(observed, task)
        observed.ended_by, observed.phase = gone(observed.infrastructure.task), "ended"
        observed.ended_since = observed.ended_since or self._now()
        return True

    async def _look_at_job(self, job: str, waiting: list[ObservedTask]) -> None:
        """A job that was terminated never executes those of its tasks that wait, a disabled one not now."""
        if not waiting:
            return
        found = await self.service.get_job(job, seconds=0)
        state = lower(found.state) if found else "deleted"
        reason = (found.execution_info.termination_reason if found and found.execution_info else "") or ""
        for observed in waiting:
            if state in {"completed", "deleted", "deleting", "terminating"}:
                observed.ended_by, observed.phase, observed.ended_since = (
                    job_ended(job, state, reason),
                    "ended",
                    self._now(),
                )
            observed.held = held(job) if state in {"disabled", "disabling"} else ""

    async def _note(self, observed: ObservedTask, task: "models.BatchTask") -> bool:
        changes = observed.look(task, self._now())
        if changes:
            await self._logged(self._reporter.report(observed, changes), "report")
        return bool(changes)

    async def _follow(self, cancelling: "Mapping[UUID, FlowRun]", whole: bool) -> None:  # noqa: FBT001
        by_run: dict[UUID, list[ObservedTask]] = {}
        for observed in self._observed_tasks.values():
            by_run.setdefault(observed.run, []).append(observed)
        observed_tasks = list(self._observed_tasks.values())
        shown = [observed for observed in observed_tasks if observed.stream and observed.phase in {"running", "ended"}]
        await self._all((partial(self._reporter.show, observed) for observed in shown), "show output")
        # What can have become of a run is asked when its task has ended, and from time to time of all.
        asked = by_run if whole else {observed.run for observed in observed_tasks if observed.phase == "ended"}
        known: dict[UUID, FlowRun | None] = {run: found for run, found in cancelling.items() if run in by_run}
        known |= await self._logged(self._runs.read_many(asked), "read the runs") or {}
        await self._all((partial(self._judge, found, by_run[run]) for run, found in known.items()), "judge a run")
        waiting = [observed for observed in observed_tasks if observed.phase == "waiting" and not observed.terminated]
        await self._logged(self._reporter.explain(waiting), "explain why runs wait")

    async def _judge(self, run: "FlowRun | None", observed_tasks: list[ObservedTask]) -> None:
        """Does what is to be done for a run by what is known of the tasks that are watched for it."""
        tasks = {observed.attempt: observed for observed in observed_tasks}
        known = {attempt: await self._reporter.evidence_of(observed) for attempt, observed in tasks.items()}
        patience = self._reporter.patience(max(observed.grace for observed in observed_tasks))
        evidence = evidence_of(run, max(tasks))
        actions = decide(evidence, known, patience)
        if run and any(do in {Do.CRASH, Do.HAND_OUT} for do, _ in actions):
            # A later attempt may have begun, of which nothing is known here yet.
            evidence = evidence_of(run, await self._runs.present_attempt(run.id))
            actions = decide(evidence, known, patience)
        last = tasks[evidence.attempt].infrastructure if evidence.attempt in tasks else None
        if run and last and not run.infrastructure_pid:  # Prefect was away when it was told
            await self._runs.record_infrastructure(run.id, str(last))
        for do, attempt in actions:
            await self._reporter.carry_out(do, tasks[attempt], run)
            if do is Do.FORGET:
                self._forget(tasks[attempt])

    def _forget(self, observed: ObservedTask) -> None:
        del self._observed_tasks[observed.infrastructure]
        if (diagnosis := observed.diagnosis) and not observed.result.done():
            observed.result.set_result(diagnosis)

    async def _all(self, works: Iterable[Callable[[], Awaitable[object]]], what: str) -> "list[object]":
        """Some at once; None for each that failed. Those that have not begun when the observer is closed never do."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(work: Callable[[], Awaitable[object]]) -> object:
            async with gate:
                return await self._logged(work(), what)

        return await asyncio.gather(*(one(work) for work in works))

    async def _logged(self, work: Awaitable[T], what: str) -> T | None:
        """None, and a line in the log, when it failed, for whatever reason: what escapes here would lose all runs."""
        try:
            return await work
        except AzureBatchError as error:
            silent = self._now() - self.service.last_heard
            self._logger.warning("Could not %s, goes on: %s (last answer %.0f s ago)", what, error, silent)
        except Exception as error:  # noqa: BLE001
            self._logger.warning("Could not %s, goes on: %s: %s", what, type(error).__name__, error)
        return None
