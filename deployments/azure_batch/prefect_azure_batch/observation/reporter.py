"""Tells Prefect, and the run's logs, what the observer has seen of a task: the message of a crash is made here."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from batch_launcher.exit_codes import ExitCode
from prefect_azure_batch.decision import Do, Patience, Status, Task
from prefect_azure_batch.observation.broken_nodes import find_broken
from prefect_azure_batch.observation.observed_task import ObservedTask
from prefect_azure_batch.observation.task_output import last_lines, show_output
from prefect_azure_batch.prefect_api.runs import PrefectRuns, status
from prefect_azure_batch.service.client import BatchService
from prefect_azure_batch.service.diagnosis import Diagnosis, Reason, why_waiting
from prefect_azure_batch.service.errors import Refused
from prefect_azure_batch.settings import WorkerSettings

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

_ENDS: Mapping[Status, str] = {
    "cancelling": "was cancelled and has not ended in time",
    "final": "has ended",
    "scheduled": "was scheduled again",
    "suspended": "is suspended",
}
_MOST_NODES = 3
_LOGGED_LINES = 200  # of a process that crashed: its reason is often above what was said of the crash
_MOST_TOLD = 32


def patience(settings: WorkerSettings, grace: float) -> Patience:
    """`grace` is that of the run's own configuration."""
    return Patience(grace, settings.silent_exit_seconds, settings.orphan_seconds, settings.bundle_seconds)


class Reporter:
    """Raises what the service or Prefect says; whoever calls tries again at the next poll."""

    def __init__(
        self, service: BatchService, runs: PrefectRuns, settings: WorkerSettings, now: Callable[[], float]
    ) -> None:
        self._service, self._runs, self._settings, self._now = service, runs, settings, now
        self._reasons: dict[str, tuple[float, Reason]] = {}

    async def report(self, observed: ObservedTask, changes: set[str]) -> None:
        """Writes into the logs of the run, and emits events."""
        log = self._runs.logger(observed.run)
        if "requeued" in changes:
            log.warning("The task was requeued by Azure Batch: its node was lost or restarted, and it runs again.")
            self._tell(observed, "requeued", {"requeues": observed.requeues})
        if "running" in changes:
            log.info("Running on node %s of pool %s.", observed.node, observed.pool)
            self._tell(observed, "running", {"node": observed.node, "pool": observed.pool})

    async def show(self, observed: ObservedTask) -> None:
        await show_output(self._service, observed, self._runs.logger(observed.run))

    def patience(self, grace: float) -> Patience:
        return patience(self._settings, grace)

    async def evidence_of(self, observed: ObservedTask) -> Task:
        """A task that was not seen yet may be running."""
        diagnosis = observed.diagnosis
        if diagnosis is None:
            return Task("waiting" if observed.phase == "waiting" else "running")
        since = self._now() - (observed.ended_since or 0)
        return Task("ended", since, diagnosis.succeeded, await self._lives_elsewhere(observed, diagnosis))

    async def carry_out(self, do: Do, observed: ObservedTask, run: "FlowRun | None") -> None:
        match do:
            case Do.END:
                await self._end(observed, run)
            case Do.CANCEL:
                await self._cancel(observed)
            case Do.CRASH:
                await self._crash(observed, run)
            case Do.HAND_OUT if run:
                await self._runs.hand_out(run)
                self._runs.logger(observed.run).warning("The process ended before its retry: a worker executes it.")
            case Do.FORGET:
                await self._part_from(observed, run)

    async def _end(self, observed: ObservedTask, run: "FlowRun | None") -> None:
        if observed.terminated:
            return
        if observed.phase != "waiting" and run:
            why = _ENDS.get(status(run), "has a later task")
            self._runs.logger(observed.run).warning("The task is terminated: its flow run %s.", why)
        await self._service.terminate_task(observed.infrastructure.job, observed.infrastructure.task, seconds=0)
        observed.terminated = True

    async def _cancel(self, observed: ObservedTask) -> None:
        diagnosis = observed.diagnosis
        how = diagnosis.summary if diagnosis else "Its task was still in Azure Batch, and was terminated."
        await self._runs.cancelled(observed.run, f"Cancelled. {how}")

    async def _part_from(self, observed: ObservedTask, run: "FlowRun | None") -> None:
        """Says what of the end of a task is news to the run, whoever has ended the run."""
        diagnosis = observed.diagnosis
        if diagnosis is None:
            return
        state = run.state if run else None
        if state and state.is_completed() and diagnosis.category not in {"success", "terminated"}:
            self._runs.logger(observed.run).warning("%s", diagnosis)  # as when an upload failed
        elif state and state.is_crashed() and not observed.stream and not observed.crashed:
            # Prefect's own process says that it crashed, and not always why.
            lines = await last_lines(self._service, observed, _LOGGED_LINES)
            how = "" if diagnosis.succeeded else f"{diagnosis}\n"
            self._runs.logger(observed.run).error("%s", f"{how}{lines}")
        payload = {"category": diagnosis.category, "exit_code": diagnosis.exit_code, "summary": diagnosis.summary}
        self._tell(observed, "ended", payload)

    async def explain(self, waiting: Iterable[ObservedTask]) -> None:
        """Gives runs that have waited for long the reason that their pool has, as their state, when it is new."""
        pools: dict[str, list[ObservedTask]] = {}
        for observed in waiting:
            if self._now() - (observed.waits_since or self._now()) < self._settings.reason_seconds:
                continue
            if observed.held:
                if observed.reason != observed.held:
                    await self._explain(observed, Reason(observed.held, observed.held))
            elif observed.pool or await self._has_temporary_pool(observed):
                pools.setdefault(observed.pool, []).append(observed)
        for pool, observed_tasks in pools.items():
            last, reason = self._reasons.get(pool, (float("-inf"), Reason("", "")))
            if self._now() - last >= self._settings.reason_seconds:
                reason = await self._reason_of(pool)
                self._reasons[pool] = self._now(), reason
            # The others are told at the next polls.
            untold = [observed for observed in observed_tasks if observed.reason != reason.kind][:_MOST_TOLD]
            await asyncio.gather(*(self._explain(observed, reason) for observed in untold))

    async def _has_temporary_pool(self, observed: ObservedTask) -> bool:
        """Whether Batch has made the pool of the job, which then is that of the observed task; if not, the run is
        told why."""
        job = await self._service.get_job(observed.infrastructure.job, seconds=0)
        info = job.execution_info if job else None
        if info and info.scheduling_error:
            text = f"Waiting for a temporary pool, which Azure Batch cannot make: {info.scheduling_error.message}"
            if observed.reason != text:
                await self._explain(observed, Reason(text, text))
        observed.pool = (info and info.pool_id) or ""
        return bool(observed.pool)

    async def _explain(self, observed: ObservedTask, reason: Reason) -> None:
        if await self._runs.set_waiting(observed.run, reason.text):
            self._tell(observed, "waiting", {"reason": reason.text, "pool": observed.pool})
        observed.reason = reason.kind

    async def _lives_elsewhere(self, observed: ObservedTask, diagnosis: Diagnosis) -> bool:
        """Whether Batch executed the task again while its first execution goes on, on a node that it had lost."""
        if diagnosis.exit_code != ExitCode.EXECUTING_ELSEWHERE:
            return False
        # It may have begun just before, and not have been heard yet.
        since = self._now() - (observed.ended_since or 0)
        return min(since, await self._runs.seconds_since_heartbeat(observed.run)) < self._settings.heartbeat_seconds

    async def _crash(self, observed: ObservedTask, run: "FlowRun | None") -> None:
        diagnosis = observed.diagnosis
        message = str(diagnosis)
        if diagnosis and diagnosis.succeeded:
            message = "The task ended with exit code 0, and the flow run never said that it had ended."
        if run and run.state and run.state.is_scheduled():
            message = f"{message} The run was waiting for its next try."
        lines = await last_lines(self._service, observed, self._settings.output_lines)
        full = f"{message}\n{lines}".strip()
        if await self._runs.crashed(observed.run, full, observed.attempt):
            observed.crashed = True
            self._runs.logger(observed.run).log(logging.ERROR, "%s", full)

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
        broken = (await find_broken(self._service, pool, counts, seconds=0))[:_MOST_NODES]
        return why_waiting(found, counts, broken)

    def _tell(self, observed: ObservedTask, what: str, payload: Mapping[str, object]) -> None:
        occasion = f"{observed.started}" if what != "waiting" else str(payload["reason"])
        self._runs.emit(observed.run, str(observed.infrastructure), what, occasion, payload)
