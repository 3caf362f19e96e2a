"""Tells Prefect, and the run's logs, what the observer has seen of a task; and does what follows from it."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from deployments.azure_batch.client import BatchService
from deployments.azure_batch.diagnosis import ELSEWHERE, Diagnosis, Reason, diagnose, why_waiting
from deployments.azure_batch.errors import Refused
from deployments.azure_batch.output import last_lines, show_output
from deployments.azure_batch.runs import Runs, standing
from deployments.azure_batch.settings import WorkerSettings
from deployments.azure_batch.watch import Watch

_BROKEN = (("starttaskfailed", "start_task_failed"), ("unusable", "unusable"))
_MOST_NODES = 3
_MOST_TOLD = 32


class Reporter:
    """Raises what the service or Prefect says; whoever calls tries again at the next poll."""

    def __init__(self, service: BatchService, runs: Runs, settings: WorkerSettings, now: Callable[[], float]) -> None:
        self._service, self._runs, self._settings, self._now = service, runs, settings, now
        self._reasons: dict[str, tuple[float, Reason]] = {}

    async def report(self, watch: Watch, news: set[str]) -> None:
        """Into the logs of the run, and as events."""
        log = self._runs.logger(watch.run)
        if "requeued" in news:
            log.warning("The task was requeued by Azure Batch: its node was lost or restarted, and it runs again.")
            self._tell(watch, "requeued", {"requeues": watch.requeues})
        if "running" in news:
            log.info("Running on node %s of pool %s.", watch.node, watch.pool)
            self._tell(watch, "running", {"node": watch.node, "pool": watch.pool})

    async def show(self, watch: Watch) -> None:
        await show_output(self._service, watch, self._runs.logger(watch.run))

    async def stop(self, watch: Watch, since: datetime) -> None:
        """A run that somebody cancels: at once while it waits, after its grace when it runs."""
        if watch.phase in {"preparing", "running"}:
            if watch.terminated or (datetime.now(UTC) - since).total_seconds() < watch.grace:
                return
            self._runs.logger(watch.run).warning("Not ended %g s after it was cancelled: terminated.", watch.grace)
        watch.terminated = True
        await self._service.terminate_task(watch.place.job, watch.place.task, seconds=0)
        await self._runs.cancelled(watch.run, "Cancelled while its task was in Azure Batch; the task was terminated.")

    async def explain(self, waiting: Iterable[Watch]) -> None:
        """Gives runs that have waited for long the reason that their pool has, as their state, when it is new."""
        pools: dict[str, list[Watch]] = {}
        for watch in waiting:
            if self._now() - (watch.waits_since or self._now()) < self._settings.reason_seconds:
                continue
            if watch.held:
                if watch.reason != watch.held:
                    await self._explain(watch, Reason(watch.held, watch.held))
            elif watch.pool or await self._has_temporary_pool(watch):
                pools.setdefault(watch.pool, []).append(watch)
        for pool, watches in pools.items():
            last, reason = self._reasons.get(pool, (float("-inf"), Reason("", "")))
            if self._now() - last >= self._settings.reason_seconds:
                reason = await self._reason_of(pool)
                self._reasons[pool] = self._now(), reason
            # The others are told at the next polls.
            untold = [watch for watch in watches if watch.reason != reason.kind][:_MOST_TOLD]
            await asyncio.gather(*(self._explain(watch, reason) for watch in untold))

    async def _has_temporary_pool(self, watch: Watch) -> bool:
        """Whether Batch has made the pool of the job, which then is that of the watch; if not, the run is told why."""
        job = await self._service.get_job(watch.place.job, seconds=0)
        info = job.execution_info if job else None
        if info and info.scheduling_error:
            text = f"Waiting for a temporary pool, which Azure Batch cannot make: {info.scheduling_error.message}"
            if watch.reason != text:
                await self._explain(watch, Reason(text, text))
        watch.pool = (info and info.pool_id) or ""
        return bool(watch.pool)

    async def _explain(self, watch: Watch, reason: Reason) -> None:
        if await self._runs.waiting(watch.run, reason.text):
            self._tell(watch, "waiting", {"reason": reason.text, "pool": watch.pool})
        watch.reason = reason.kind

    async def drop_final(self, waiting: Iterable[Watch]) -> None:
        """Terminates tasks that wait for nothing: their run has ended otherwise, or was deleted."""
        watches = {watch.run: watch for watch in waiting}
        for run in await self._runs.final(watches):
            await self._service.terminate_task(watches[run].place.job, watches[run].place.task, seconds=0)

    async def settle(self, watch: Watch) -> Diagnosis | None:
        """Of a task that has ended: makes sure that its run has, too. None when that has to wait."""
        diagnosis = watch.ended_by or (diagnose(watch.task) if watch.task else None)
        if diagnosis is None:
            return None
        run = await self._runs.read(watch.run)
        match standing(run, str(watch.place)):
            case "cancelling":
                await self._runs.cancelled(watch.run, f"Cancelled. {diagnosis.summary}")
            case "open":
                if diagnosis.succeeded and self._now() - (watch.ended_since or 0) < self._settings.silent_exit_seconds:
                    return None
                if await self._lives_elsewhere(watch, diagnosis):
                    return None
                await self._crash(watch, diagnosis)
            case _:
                is_completed = run and run.state and run.state.is_completed()
                if is_completed and diagnosis.category not in {"success", "terminated"}:  # as when an upload failed
                    self._runs.logger(watch.run).warning("%s", diagnosis)
        payload = {"category": diagnosis.category, "exit_code": diagnosis.exit_code, "summary": diagnosis.summary}
        self._tell(watch, "ended", payload)
        return diagnosis

    async def _lives_elsewhere(self, watch: Watch, diagnosis: Diagnosis) -> bool:
        """Whether Batch executed the task again while its first execution goes on, on a node that it had lost."""
        if diagnosis.exit_code != ELSEWHERE:
            return False
        # It may have begun just before, and not have been heard yet.
        since = self._now() - (watch.ended_since or 0)
        return min(since, await self._runs.silence(watch.run)) < self._settings.heartbeat_seconds

    async def _crash(self, watch: Watch, diagnosis: Diagnosis) -> None:
        message = str(diagnosis)
        if diagnosis.succeeded:
            message = "The task ended with exit code 0, and the flow run never said that it had ended."
        lines = await last_lines(self._service, watch, self._settings.output_lines)
        full = f"{message}\n{lines}".strip()
        if await self._runs.crashed(watch.run, full):
            self._runs.logger(watch.run).log(logging.ERROR, "%s", full)

    async def _reason_of(self, pool: str) -> Reason:
        """Also of a pool that cannot be read: what is wrong with it is not to keep others from being explained."""
        try:
            return await self._reason(pool)
        except Refused as refusal:
            if refusal.code == "PoolNotFound":
                text = f"Waiting for pool {pool}, which does not exist any more: create it again, or cancel the run."
            else:
                text = f"Waiting for pool {pool}, of which nothing can be told: {refusal}"
            return Reason(refusal.code, text)

    async def _reason(self, pool: str) -> Reason:
        found = await self._service.get_pool(pool, seconds=0)
        counts = await self._service.node_counts(pool, seconds=0)
        kinds = [kind for kind in (counts.dedicated, counts.low_priority) if kind] if counts else []
        broken = []
        for state, count in _BROKEN:
            if any(getattr(kind, count) for kind in kinds):
                broken += (await self._service.list_nodes(pool, state, seconds=0))[:_MOST_NODES]
        return why_waiting(found, counts, broken)

    def _tell(self, watch: Watch, what: str, payload: Mapping[str, object]) -> None:
        occasion = f"{watch.started}" if what != "waiting" else str(payload["reason"])
        self._runs.tell(watch.run, str(watch.place), what, occasion, payload)
