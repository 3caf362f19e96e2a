"""Job preparation and job release tasks: before the first task of a job on a node, and after the last of the job."""

import asyncio
from collections.abc import Callable
from functools import partial

from azure_batch_emulator.control.clock import cancel
from azure_batch_emulator.engine.model import Job, Node
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.engine.tasks import launches
from azure_batch_emulator.engine.tasks.execution_info import record, retried
from azure_batch_emulator.execution.executor import Launch, Outcome, user_error
from azure_batch_emulator.protocol.call import JsonObject
from azure_batch_emulator.protocol.times import finite


async def prepared(state: State, job: Job, node: Node) -> bool:
    """Waits for the job's preparation on the node, which runs once; False where the job cannot use the node."""
    if "jobPreparationTask" not in job.resource:
        return True
    key = job.id.lower()
    if key not in node.preparations:
        node.preparations[key] = state.spawn(_prepare(state, job, node), lambda _: None)
    if await asyncio.shield(node.preparations[key]):
        return True
    job.unprepared.add(node.id)
    return False


def release(state: State, job: Job, done: Callable[[], None]) -> bool:
    """Starts the release task on every node that was prepared; False where there is none to start."""
    nodes = [node for node in _prepared_nodes(state, job) if "jobReleaseTask" in job.resource]
    waiting = set(nodes)

    def finished(node: Node, _: "asyncio.Task[None]") -> None:
        waiting.discard(node)
        if not waiting:
            done()

    for node in nodes:
        state.spawn(_release(state, job, node), partial(finished, node))
    return bool(nodes)


def forget_node(state: State, node: Node, *, rebooted: bool) -> None:
    """Has jobs prepare the node again; after a reboot only those that ask for it."""
    for key, preparation in list(node.preparations.items()):
        job = state.jobs.get(key)
        again = job is None or job.resource["jobPreparationTask"]["rerunOnNodeRebootAfterSuccess"]
        if again or not rebooted or not preparation.done():
            preparation.cancel()
            del node.preparations[key]


async def _prepare(state: State, job: Job, node: Node) -> bool:
    task = job.resource["jobPreparationTask"]
    limit = finite(task["constraints"].get("maxWallClockTime"))
    retries = int(task["constraints"]["maxTaskRetryCount"])
    info = _status(state, job, node, "jobPreparationTaskExecutionInfo")
    launch = launches.of_preparation(state, job, node)
    _finish(state, info, await retried(lambda: _limited(state, launch, limit), info, retries, state.stamp))
    return info["result"] == "success" or not task["waitForSuccess"]


async def _release(state: State, job: Job, node: Node) -> None:
    info = _status(state, job, node, "jobReleaseTaskExecutionInfo")
    del info["retryCount"]
    limit = finite(job.resource["jobReleaseTask"]["maxWallClockTime"])
    _finish(state, info, await _limited(state, launches.of_release(state, job, node), limit))


async def _limited(state: State, launch: Launch, limit: float | None) -> Outcome:
    run = asyncio.ensure_future(state.executor.run(launch, lambda: None))
    timer = None if limit is None else state.clock.call_later(limit, run.cancel)
    try:
        return await run
    except asyncio.CancelledError:
        if timer is None or not timer.cancelled:
            raise
        return Outcome(None, user_error("TaskEnded", "Task Was Ended because it exceeded its maximum wall clock time"))
    finally:
        run.cancel()
        cancel(timer)


def _status(state: State, job: Job, node: Node, part: str) -> JsonObject:
    document = job.preparations.setdefault(
        node.id, {"poolId": node.pool.id, "nodeId": node.id, "nodeUrl": node.resource["url"]}
    )
    task = job.resource["jobPreparationTask" if "Preparation" in part else "jobReleaseTask"]
    path = launches.task_path(job.id, task["id"])
    info: JsonObject = {
        "startTime": state.stamp(),
        "state": "running",
        "retryCount": 0,
        "taskRootDirectory": path,
        "taskRootDirectoryUrl": f"{node.resource['url']}/files/{path}",
    }
    document[part] = info
    return info


def _finish(state: State, info: JsonObject, outcome: Outcome) -> None:
    info["state"] = "completed"
    record(info, outcome, state.stamp())


def _prepared_nodes(state: State, job: Job) -> list[Node]:
    pool = state.pools.get((job.pool_id or "").lower())
    if pool is None:
        return []
    return [node for node in pool.nodes.values() if node.id in job.preparations and not node.leaving]
