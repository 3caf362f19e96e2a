"""The variables of automatic scaling, sampled every 30 seconds and kept for a day."""

from collections.abc import Sequence
from datetime import datetime

from azure_batch_emulator.autoscale.samples import NUMBERS
from azure_batch_emulator.engine.model import Job, Pool
from azure_batch_emulator.engine.state import State

_KEPT = 2880
_UNUSABLE = {
    "unusable",
    "starttaskfailed",
    "preempted",
    "unknown",
    "leavingpool",
    "offline",
    "deallocated",
    "deallocating",
}


class PoolMetrics:
    """What a formula reads of one pool at one instant."""

    def __init__(self, pool: Pool, now: datetime) -> None:
        self._pool = pool
        self._now = now

    def samples(self, variable: str) -> Sequence[tuple[datetime, float]]:
        taken = self._pool.samples.get(variable, [])
        current = _current(self._pool)
        return [*taken, (self._now, current[variable])] if variable in current else taken


def take_samples(state: State, pool: Pool) -> None:
    now = state.clock.now()
    for variable, value in {**_current(pool), **_tasks(state, pool), **_nodes(pool)}.items():
        series = pool.samples.setdefault(variable, [])
        series.append((now, value))
        if len(series) > 2 * _KEPT:
            del series[:-_KEPT]


def _current(pool: Pool) -> dict[str, float]:
    return {name: float(pool.resource[f"{name[1].lower()}{name[2:]}"]) for name in NUMBERS}


def _tasks(state: State, pool: Pool) -> dict[str, float]:
    """Tasks that wait for others are not active, nor are those of a job that does not run."""
    key = pool.id.lower()
    jobs = [job for job in state.jobs.values() if (job.pool_id or "").lower() == key]
    running = sum(task.state == "running" for job in jobs for task in job.assigned)
    active = sum(_active(job) for job in jobs if job.state == "active")
    failed = sum(job.failed_tasks for job in jobs)
    completed = sum(len(job.tasks) - job.open_tasks for job in jobs)
    return {
        "$ActiveTasks": float(active),
        "$RunningTasks": float(running),
        "$PendingTasks": float(active + running),
        "$SucceededTasks": float(completed - failed),
        "$FailedTasks": float(failed),
    }


def _active(job: Job) -> int:
    running = sum(task.state == "running" for task in job.assigned)
    waiting = 0
    if job.resource["usesTaskDependencies"]:
        waiting = sum(bool(task.waiting_for) for task in job.tasks.values() if task.state == "active")
    return job.open_tasks - running - waiting


def _nodes(pool: Pool) -> dict[str, float]:
    nodes = list(pool.nodes.values())
    usable = [node for node in nodes if node.state not in _UNUSABLE]
    busy = sum(len(node.tasks) > 0 for node in usable)
    return {
        "$PreemptedNodeCount": float(sum(node.state == "preempted" for node in nodes)),
        "$UsableNodeCount": float(len(usable)),
        "$SampleNodeCount": float(len(usable)),
        "$CPUPercent": 100.0 * busy / len(usable) if usable else 0.0,
    }
