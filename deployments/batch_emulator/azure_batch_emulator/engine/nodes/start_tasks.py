"""The last part of a node's start: its images, and the pool's start task."""

import asyncio

from azure_batch_emulator.engine.model import Node
from azure_batch_emulator.engine.persistence import enter_node_state, node_changed
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.engine.tasks import launches
from azure_batch_emulator.engine.tasks.execution_info import outcome_of_run, record, retried
from azure_batch_emulator.execution.executor import Launch, Outcome

_AGENT_VERSION = "1.12.4"


def begin(state: State, node: Node) -> None:
    now = state.stamp()
    node.resource["lastBootTime"] = now
    node.resource["nodeAgentInfo"] = {"version": _AGENT_VERSION, "lastUpdateTime": now}
    if _mounts_missing(state, node) or _images_missing(state, node):
        return
    if "startTask" not in node.pool.resource:
        become_idle(state, node)
        return
    node.resource["startTask"] = node.pool.resource["startTask"]
    node.resource["startTaskInfo"] = {"state": "running", "startTime": now, "retryCount": 0}
    node.start_task = state.spawn(_run(state, node), lambda run: _report(state, node, run))
    if node.resource["startTask"]["waitForSuccess"]:
        enter_node_state(state, node, "waitingforstarttask")
    else:
        become_idle(state, node)


def become_idle(state: State, node: Node) -> None:
    offline = node.resource["schedulingState"] == "disabled"
    enter_node_state(state, node, "offline" if offline else "idle")
    state.wake(node.pool)


def make_unusable(state: State, node: Node, code: str, message: str) -> None:
    """With an error that says why. Neither time nor the service mends it; it is paid for all the same."""
    node.resource["errors"] = [{"code": code, "message": message, "errorDetails": []}]
    enter_node_state(state, node, "unusable")


def _mounts_missing(state: State, node: Node) -> bool:
    """A node whose file systems cannot be mounted cannot be used, and the emulator mounts none."""
    if not node.pool.resource.get("mountConfiguration"):
        return False
    make_unusable(state, node, "MountConfigurationFailed", "The emulator mounts no file systems")
    return True


def _images_missing(state: State, node: Node) -> bool:
    """A node of a container pool fetches the pool's images; without them it cannot be used."""
    machine = node.pool.resource.get("virtualMachineConfiguration", {})
    images = (machine.get("containerConfiguration") or {}).get("containerImageNames") or []
    fault = state.faults.draw("image_pull_failed", pool=node.pool.id, node=node.id) if images else None
    if fault is None:
        return False
    message = fault.message or f"Failed to pull container image {images[0]}"
    make_unusable(state, node, "ContainerInvalidImage", message)
    return True


async def _run(state: State, node: Node) -> Outcome:
    launch = launches.of_start_task(state, node)
    retries = int(node.resource["startTask"]["maxTaskRetryCount"])
    return await retried(lambda: _attempt(state, node, launch), node.resource["startTaskInfo"], retries, state.stamp)


async def _attempt(state: State, node: Node, launch: Launch) -> Outcome:
    fault = state.faults.draw("start_task_failed", pool=node.pool.id, node=node.id)
    if fault is not None:
        return Outcome(1)
    return await state.executor.run(launch, lambda: None)


def _report(state: State, node: Node, run: "asyncio.Task[Outcome]") -> None:
    outcome = outcome_of_run(run, f"the start task of node {node.id}")
    if outcome is None:
        return
    node.start_task = None
    info = node.resource["startTaskInfo"]
    info["state"] = "completed"
    record(info, outcome, state.stamp())
    if node.state != "waitingforstarttask":
        node_changed(state, node)
    elif info["result"] == "success":
        become_idle(state, node)
    else:
        enter_node_state(state, node, "starttaskfailed")
