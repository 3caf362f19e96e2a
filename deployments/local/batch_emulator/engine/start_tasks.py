"""The last part of a node's start: its images, and the pool's start task."""

import asyncio

from deployments.local.batch_emulator.engine import launches
from deployments.local.batch_emulator.engine.keeping import node_changed
from deployments.local.batch_emulator.engine.model import Node
from deployments.local.batch_emulator.engine.outcomes import outcome_of, record
from deployments.local.batch_emulator.engine.state import State, enter
from deployments.local.batch_emulator.execution.launch import Launch, Outcome

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
        _enter(state, node, "waitingforstarttask")
    else:
        become_idle(state, node)


def become_idle(state: State, node: Node) -> None:
    offline = node.resource["schedulingState"] == "disabled"
    _enter(state, node, "offline" if offline else "idle")
    state.wake(node.pool)


def _mounts_missing(state: State, node: Node) -> bool:
    """A node whose file systems cannot be mounted cannot be used, and the emulator mounts none."""
    if not node.pool.resource.get("mountConfiguration"):
        return False
    message = "The emulator mounts no file systems"
    node.resource["errors"] = [{"code": "MountConfigurationFailed", "message": message, "errorDetails": []}]
    _enter(state, node, "unusable")
    return True


def _images_missing(state: State, node: Node) -> bool:
    """A node of a container pool fetches the pool's images; without them it cannot be used."""
    machine = node.pool.resource.get("virtualMachineConfiguration", {})
    images = (machine.get("containerConfiguration") or {}).get("containerImageNames") or []
    if not images:
        return False
    fault = state.faults.draw("image_pull_failed", pool=node.pool.id, node=node.id)
    if fault is None:
        return False
    message = fault.message or f"Failed to pull container image {images[0]}"
    node.resource["errors"] = [{"code": "ContainerInvalidImage", "message": message, "errorDetails": []}]
    _enter(state, node, "unusable")
    return True


async def _run(state: State, node: Node) -> Outcome:
    launch = launches.of_start_task(state, node)
    info = node.resource["startTaskInfo"]
    retries = int(node.resource["startTask"]["maxTaskRetryCount"])
    outcome = await _attempt(state, node, launch)
    while outcome.exit_code and (retries == -1 or info["retryCount"] < retries):
        info["retryCount"] += 1
        info["lastRetryTime"] = state.stamp()
        outcome = await _attempt(state, node, launch)
    return outcome


async def _attempt(state: State, node: Node, launch: Launch) -> Outcome:
    fault = state.faults.draw("start_task_failed", pool=node.pool.id, node=node.id)
    if fault is not None:
        return Outcome(1)
    return await state.executor.run(launch, lambda: None)


def _report(state: State, node: Node, run: "asyncio.Task[Outcome]") -> None:
    outcome = outcome_of(run, f"the start task of node {node.id}")
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
        _enter(state, node, "starttaskfailed")


def _enter(state: State, node: Node, name: str) -> None:
    enter(node.resource, name, state.stamp())
    node_changed(state, node)
