"""The files of tasks on their nodes, which go with the task or when their retention time is over."""

import shutil
from pathlib import Path

from azure_batch_emulator.engine.model import Job, Task
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.engine.tasks import launches
from azure_batch_emulator.protocol.times import finite, moment


def remove(state: State, task: Task) -> None:
    """From the node where the task ran last, if that is still there."""
    where = task.resource.get("nodeInfo") or {}
    pool = state.pools.get(where.get("poolId", "").lower())
    if pool is not None and where["nodeId"] in pool.nodes:
        node = launches.node_directory(state.root, pool.id, where["nodeId"])
        shutil.rmtree(node / launches.task_path(task.job.id, task.id), ignore_errors=True)


def remove_all(state: State, job: Job) -> None:
    """Removes the files of a deleted job from all nodes of its pool."""
    pool = state.pools.get((job.pool_id or "").lower())
    for node in [] if pool is None else pool.nodes.values():
        root = launches.node_directory(state.root, node.pool.id, node.id)
        shutil.rmtree(root / launches.job_path(job.id), ignore_errors=True)


def keep_until(task: Task) -> float | None:
    """The end of the retention time of a completed task, in seconds since 1970; None for ever."""
    kept = finite(task.resource["constraints"]["retentionTime"])
    return None if kept is None else moment(task.resource["executionInfo"]["endTime"]).timestamp() + kept


def are_gone(state: State, task: Task) -> bool:
    """Whether the retention time of a completed task is over."""
    until = keep_until(task) if task.state == "completed" else None
    return until is not None and until <= state.clock.now().timestamp()


def make(folder: Path) -> None:
    """For a simulated task that wrote nothing: its files are made when somebody looks, for thousands would be slow."""
    if not folder.exists():
        (folder / "wd").mkdir(parents=True)
        for name in ("stdout.txt", "stderr.txt"):
            (folder / name).touch()


def expire(state: State, task: Task) -> None:
    """Has the files of a completed task removed in time."""
    until = keep_until(task)
    if until is not None:
        state.clock.call_later(until - state.clock.now().timestamp(), lambda: _clean_up(state, task, until))


def _clean_up(state: State, task: Task, until: float) -> None:
    if task.state == "completed" and keep_until(task) == until:
        remove(state, task)
