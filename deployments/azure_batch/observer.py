"""Watches the tasks of flow runs: one list of what changed for each job and poll, whatever the number of runs.

Whatever the service or Prefect answers, the observer goes on; what could not be said now is said at a later poll.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from deployments.azure_batch.client import BatchService, stamp
from deployments.azure_batch.diagnosis import gone, held, job_ended, lower
from deployments.azure_batch.errors import AzureBatchError, Refused
from deployments.azure_batch.identifiers import Infrastructure
from deployments.azure_batch.news import Reporter
from deployments.azure_batch.runs import Runs
from deployments.azure_batch.settings import WorkerSettings
from deployments.azure_batch.watch import Watch

if TYPE_CHECKING:
    from azure.batch import models

T = TypeVar("T")

# How far the changes that are asked for reach back before the last one seen: the service's clocks differ.
_OVERLAP = timedelta(seconds=10)
_AT_ONCE = 16


class Observer:
    """Of one account. `watch` begins, and the result of a watch ends, what a run waits for."""

    def __init__(
        self,
        service: BatchService,
        runs: Runs,
        settings: WorkerSettings,
        logger: "logging.Logger | logging.LoggerAdapter[logging.Logger]",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service, self._runs, self._settings, self._logger, self._now = service, runs, settings, logger, now
        self._reporter = Reporter(service, runs, settings, now)
        self._watches: dict[Infrastructure, Watch] = {}
        self._since: dict[str, datetime] = {}
        self._polls = 0
        self._failures = 0
        self._hurry = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    def watch(self, place: Infrastructure, run: UUID, pool: str, *, grace: float, stream: bool) -> Watch:
        """The watch over the task, which is the same however often it is asked for."""
        if place not in self._watches:
            result = asyncio.get_running_loop().create_future()
            self._watches[place] = Watch(place, run, pool, grace, stream, self._now(), result)
            self._hurry.set()
            if self._loop is None or self._loop.done():
                self._loop = asyncio.create_task(self._observe())
        return self._watches[place]

    def watches(self, run: UUID) -> bool:
        return any(watch.run == run for watch in self._watches.values())

    @property
    def watched(self) -> set[UUID]:
        return {watch.run for watch in self._watches.values()}

    async def close(self) -> None:
        if self._loop:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _observe(self) -> None:
        """As long as there is something to watch."""
        while self._watches:
            begin = self._now()
            self._hurry.clear()
            moved = await self._careful(self.poll(), "poll")
            fast, slow = self._settings.poll_seconds, self._settings.idle_poll_seconds
            pause = fast if moved else min(slow, 2 * fast)
            # A service that does not answer is asked less and less often.
            pause = min(pause * 2**self._failures, max(slow, self._settings.longest_retry_seconds))
            await self._pause(begin + fast, begin + pause)

    async def _pause(self, earliest: float, latest: float) -> None:
        """Until `latest`, or until `earliest` when there is a new task to watch."""
        try:
            async with asyncio.timeout(max(0.0, latest - self._now())):
                await self._hurry.wait()
        except TimeoutError:
            return
        await asyncio.sleep(max(0.0, min(earliest, latest) - self._now()))

    async def poll(self) -> bool:
        """Looks once at every job and does what follows from it. Whether a task has moved."""
        self._polls += 1
        whole = self._polls % self._settings.reconcile_polls == 1
        cancelling = await self._careful(self._runs.cancelling(), "search for cancelled runs") or {}
        jobs: dict[str, list[Watch]] = {}
        for watch in self._watches.values():
            jobs.setdefault(watch.place.job, []).append(watch)
        moves = await self._each((self._look_at(job, watches, whole) for job, watches in jobs.items()), "look at a job")
        self._failures = 0 if all(move is not None for move in moves) else min(self._failures + 1, 5)
        await self._act(cancelling, whole)
        self._since = {job: since for job, since in self._since.items() if job in jobs}
        return any(moves)

    async def _look_at(self, job: str, watches: list[Watch], whole: bool) -> bool:  # noqa: FBT001
        since = self._since.get(job)
        whole = whole or since is None
        conditions = ["state ne 'completed'"] if whole else []
        conditions += [f"stateTransitionTime ge {stamp(since - _OVERLAP)}"] if since else []
        known = {watch.place.task.lower(): watch for watch in watches}
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
            missing = [watch for watch in known.values() if watch.phase != "ended"]
            found = await self._each((self._look_for(watch) for watch in missing), "look for a task")
            moved += [bool(news) for news in found]
            await self._look_at_job(job, [watch for watch in watches if watch.phase == "waiting"])
        return any(moved)

    async def _look_for(self, watch: Watch) -> bool:
        """A task that is not among those in flight has ended, or is gone."""
        task = await self.service.get_task(watch.place.job, watch.place.task, seconds=0)
        if task is not None:
            return await self._note(watch, task)
        watch.ended_by, watch.phase = gone(watch.place.task), "ended"
        watch.ended_since = watch.ended_since or self._now()
        return True

    async def _look_at_job(self, job: str, waiting: list[Watch]) -> None:
        """A job that was terminated never executes those of its tasks that wait, a disabled one not now."""
        if not waiting:
            return
        found = await self.service.get_job(job, seconds=0)
        state = lower(found.state) if found else "deleted"
        reason = (found.execution_info.termination_reason if found and found.execution_info else "") or ""
        for watch in waiting:
            if state in {"completed", "deleted", "deleting", "terminating"}:
                watch.ended_by, watch.phase, watch.ended_since = job_ended(job, state, reason), "ended", self._now()
            watch.held = held(job) if state in {"disabled", "disabling"} else ""

    async def _note(self, watch: Watch, task: "models.BatchTask") -> bool:
        news = watch.look(task, self._now())
        if news:
            await self._careful(self._reporter.report(watch, news), "report")
        return bool(news)

    async def _act(self, cancelling: Mapping[UUID, datetime], whole: bool) -> None:  # noqa: FBT001
        watches = list(self._watches.values())
        ended = [watch for watch in watches if watch.phase == "ended"]
        stopped = [watch for watch in watches if watch.run in cancelling and watch.phase != "ended"]
        shown = [watch for watch in watches if watch.stream and watch.phase in {"running", "ended"}]
        waiting = [watch for watch in watches if watch.phase == "waiting" and watch not in stopped]
        await self._each((self._reporter.show(watch) for watch in shown), "show output")
        stops = (self._reporter.stop(watch, cancelling[watch.run]) for watch in stopped)
        await self._each(stops, "cancel a run")
        await self._each((self._settle(watch) for watch in ended), "settle a run")
        await self._careful(self._reporter.explain(waiting), "explain why runs wait")
        if whole and waiting:
            await self._careful(self._reporter.drop_final(waiting), "search for runs that ended")

    async def _settle(self, watch: Watch) -> None:
        diagnosis = await self._reporter.settle(watch)
        if diagnosis is not None:
            del self._watches[watch.place]
            if not watch.result.done():
                watch.result.set_result(diagnosis)

    async def _each(self, works: Iterable[Awaitable[object]], what: str) -> "list[object]":
        """Some at once; None for each that failed."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(work: Awaitable[object]) -> object:
            async with gate:
                return await self._careful(work, what)

        return await asyncio.gather(*(one(work) for work in works))

    async def _careful(self, work: Awaitable[T], what: str) -> T | None:
        """None, and a line in the log, when it failed, for whatever reason: what escapes here would lose all runs."""
        try:
            return await work
        except AzureBatchError as error:
            silent = self._now() - self.service.last_heard
            self._logger.warning("Could not %s, goes on: %s (last answer %.0f s ago)", what, error, silent)
        except Exception as error:  # noqa: BLE001
            self._logger.warning("Could not %s, goes on: %s: %s", what, type(error).__name__, error)
        return None
