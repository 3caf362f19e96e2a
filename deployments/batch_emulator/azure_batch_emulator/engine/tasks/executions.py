"""One execution of a task on a node, from the slot it takes to the slot it gives back."""

import asyncio

from azure_batch_emulator.engine.model import Ending, Node, Task
from azure_batch_emulator.engine.persistence import node_changed, task_changed
from azure_batch_emulator.engine.state import State, enter, transition
from azure_batch_emulator.engine.tasks import job_preparation, launches, task_files
from azure_batch_emulator.engine.tasks import lifecycle as tasks
from azure_batch_emulator.engine.tasks.execution_info import outcome_of_run
from azure_batch_emulator.execution.executor import Outcome, user_error
from azure_batch_emulator.protocol.call import JsonObject
from azure_batch_emulator.protocol.times import finite

_REMEMBERED = 10


def start(state: State, task: Task, node: Node) -> None:
    task.ready = False
    task.node = node
    task.job.assigned.add(task)
    node.put(task)
    _count_running(state, node)
    task.run = state.spawn(_execute(state, task, node), lambda run: _ended(state, task, node, run))
    state.clock.call_later(state.timings.preparing, lambda: _show_preparing(state, task, node))


async def _execute(state: State, task: Task, node: Node) -> Outcome | None:
    """None where the node turned out to be unfit for the job, so that the task has to go elsewhere."""
    if not await job_preparation.prepared(state, task.job, node):
        return None
    unfit = _unfit_for_containers(task, node) or _unfetched_image(state, task, node)
    if unfit is not None:
        return unfit
    return await state.executor.run(launches.of_task(state, task, node), lambda: _running(state, task, node))


def _unfit_for_containers(task: Task, node: Node) -> Outcome | None:
    """A node of a pool for containers runs nothing else, and no other node runs them."""
    enabled = "containerConfiguration" in node.pool.resource.get("virtualMachineConfiguration", {})
    wanted = "containerSettings" in task.resource
    if wanted == enabled:
        return None
    if wanted:
        message = "The specified pool does not support container tasks"
        return Outcome(None, user_error("ContainerPoolNotSupported", message))
    message = "Container-enabled compute node requires task container settings"
    return Outcome(None, user_error("ContainerTaskSettingsNotFound", message))


def _unfetched_image(state: State, task: Task, node: Node) -> Outcome | None:
    settings = task.resource.get("containerSettings")
    if settings is None:
        return None
    fault = state.faults.draw("image_pull_failed", pool=node.pool.id, node=node.id, job=task.job.id, task=task.id)
    if fault is None:
        return None
    image = settings["imageName"]
    reason = fault.message or f"manifest for {image} not found: manifest unknown"
    message = "One or more container images specified are invalid"
    return Outcome(None, user_error("ContainerInvalidImage", message, ContainerImage=image, Message=reason))


def _show_preparing(state: State, task: Task, node: Node) -> None:
    if task.node is node and task.state == "active":
        task.resource["nodeInfo"] = _node_info(node, task)
        transition(task.resource, "preparing", state.stamp())
        task_changed(state, task)


def _running(state: State, task: Task, node: Node) -> None:
    if task.ending is not None:
        return
    now = state.stamp()
    task.resource["nodeInfo"] = _node_info(node, task)
    task.resource["executionInfo"]["startTime"] = now
    transition(task.resource, "running", now)
    limit = finite(task.resource["constraints"]["maxWallClockTime"])
    if limit is not None:
        task.wall_clock = state.clock.call_later(
            limit, lambda: tasks.end(state, task, Ending.WALL_CLOCK, tasks.ENDED_BY_WALL_CLOCK)
        )
    task_changed(state, task)
    state.hooks.task_running(task, node)


def _ended(state: State, task: Task, node: Node, run: "asyncio.Task[Outcome | None]") -> None:
    task.run = task.node = None
    task.job.assigned.discard(task)
    node.drop(task)
    outcome = outcome_of_run(run, f"task {task.id} of job {task.job.id}")
    if outcome is None:
        task.ending = task.ending or Ending.LOST
        outcome = Outcome(None)
    elif task.ending is None:
        # Also of what failed before it ran, the files are on this node.
        task.resource["nodeInfo"] = _node_info(node, task)
    tasks.settle(state, task, outcome)
    if task.state == "completed":
        _record_on_node(task, node)
        task_files.expire(state, task)
    _count_running(state, node)
    if not node.tasks and node.when_empty is not None:
        then, node.when_empty = node.when_empty, None
        then()
    state.wake(node.pool)
    if not task.job.assigned:
        state.hooks.job_idle(task.job)


def _count_running(state: State, node: Node) -> None:
    node.resource["runningTasksCount"] = len(node.tasks)
    node.resource["runningTaskSlotsCount"] = node.used_slots
    wanted = "running" if node.tasks else "idle"
    if node.state in {"idle", "running"} and node.state != wanted:
        enter(node.resource, wanted, state.stamp())
    node_changed(state, node)


def _record_on_node(task: Task, node: Node) -> None:
    node.resource["totalTasksRun"] += 1
    node.resource["totalTasksSucceeded"] += task.resource["executionInfo"]["result"] == "success"
    recent: list[JsonObject] = node.resource.setdefault("recentTasks", [])
    recent.insert(0, _recent(task))
    del recent[_REMEMBERED:]
    node.retained_until = max(node.retained_until, task_files.keep_until(task) or 0.0)


def _recent(task: Task) -> JsonObject:
    return {
        "taskUrl": task.resource["url"],
        "jobId": task.job.id,
        "taskId": task.id,
        "taskState": task.state,
        "executionInfo": task.resource["executionInfo"],
    }


def _node_info(node: Node, task: Task) -> JsonObject:
    path = launches.task_path(task.job.id, task.id)
    windows = launches.is_windows(node.pool.resource)
    return {
        "affinityId": node.resource["affinityId"],
        "nodeUrl": node.resource["url"],
        "poolId": node.pool.id,
        "nodeId": node.id,
        "taskRootDirectory": path.replace("/", "\\") if windows else path,
        "taskRootDirectoryUrl": f"{node.resource['url']}/files/{path}",
    }
