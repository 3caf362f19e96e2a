"""The life of a node.

creating -> starting -> [waitingforstarttask] -> idle <-> running -> leavingpool
                             starttaskfailed, unusable: until an operator mends or removes them
                             preempted -> creating       unknown -> rebooting -> starting
"""

import shutil
from collections.abc import Callable

from deployments.local.batch_emulator.call import JsonObject
from deployments.local.batch_emulator.engine import launches, preparations, start_tasks, tasks
from deployments.local.batch_emulator.engine.endpoints import endpoints
from deployments.local.batch_emulator.engine.keeping import node_changed, node_key
from deployments.local.batch_emulator.engine.launches import is_windows
from deployments.local.batch_emulator.engine.model import Ending, Node, Pool
from deployments.local.batch_emulator.engine.state import State, enter


def create(state: State, pool: Pool, *, dedicated: bool) -> Node:
    kind = "d" if dedicated else "p"
    node_id = f"tvmps_{state.random.getrandbits(256):064x}_{kind}"
    node = Node(pool, _document(state, pool, node_id, dedicated=dedicated))
    pool.nodes[node_id] = node
    pool.nodes_made += 1
    _then(state, node, state.timings.creating, lambda: begin(state, node))
    return node


def begin(state: State, node: Node) -> None:
    """The operating system starts, then the start task."""
    enter(node.resource, "starting", state.stamp())
    windows = is_windows(node.pool.resource)
    _then(
        state,
        node,
        state.timings.starting_windows if windows else state.timings.starting,
        lambda: start_tasks.begin(state, node),
    )
    node_changed(state, node)


def away_for(state: State, node: Node, name: str, seconds: float) -> None:
    """In a state such as rebooting for some time, and then from the start."""
    stop(state, node, Ending.REQUEUED)
    node.resource.pop("errors", None)
    preparations.forget_node(state, node, rebooted=name == "rebooting")
    enter(node.resource, name, state.stamp())
    _then(state, node, seconds, lambda: begin(state, node))
    node_changed(state, node)


def deallocate(state: State, node: Node) -> None:
    stop(state, node, Ending.REQUEUED)
    enter(node.resource, "deallocating", state.stamp())
    _then(state, node, state.timings.deallocating, lambda: _park(state, node, "deallocated"))
    node_changed(state, node)


def preempt(state: State, node: Node, seconds: float | None = None) -> None:
    """Takes a spot node away; it keeps its id, and is created anew when there is capacity again."""
    stop(state, node, Ending.LOST)
    preparations.forget_node(state, node, rebooted=False)
    _park(state, node, "preempted")
    _then(state, node, state.timings.preempted if seconds is None else seconds, lambda: _create_again(state, node))


def fail(state: State, node: Node, seconds: float | None = None) -> None:
    """The service loses contact: tasks run elsewhere, and the node reboots when it is found again."""
    stop(state, node, Ending.LOST)
    _park(state, node, "unknown")
    _then(state, node, state.timings.unknown if seconds is None else seconds, lambda: recover(state, node))


def break_down(state: State, node: Node, code: str, message: str) -> None:
    """Unusable, with an error that says why. Neither time nor the service mends it; it is paid for all the same."""
    stop(state, node, Ending.LOST)
    node.resource["errors"] = [{"code": code, "message": message, "errorDetails": []}]
    _park(state, node, "unusable")


def recover(state: State, node: Node) -> None:
    if node.state == "preempted":
        _create_again(state, node)
    elif node.state not in {"creating", "starting", "idle", "running"}:
        away_for(state, node, "rebooting", state.timings.rebooting)


def resume(state: State, node: Node) -> None:
    """After a restart of the emulator: the node goes on with what it was at, or reboots."""
    after: dict[str, tuple[float, Callable[[], None]]] = {
        "creating": (state.timings.creating, lambda: begin(state, node)),
        "preempted": (state.timings.preempted, lambda: _create_again(state, node)),
        "leavingpool": (state.timings.leaving, lambda: _gone(state, node)),
        "deallocating": (state.timings.deallocating, lambda: _park(state, node, "deallocated")),
    }
    if node.state in after:
        node.leaving = node.state == "leavingpool"
        _then(state, node, *after[node.state])
    elif node.state not in {"unusable", "starttaskfailed", "deallocated", "offline"}:
        away_for(state, node, "rebooting", state.timings.rebooting)


def remove(state: State, node: Node, option: str) -> None:
    """Out of the pool, after its tasks were dealt with as the option says."""
    node.leaving = True
    drain(state, node, option, lambda: _leave(state, node))


def drain(state: State, node: Node, option: str, then: Callable[[], None]) -> None:
    """Empties the node of tasks: requeue, terminate, taskcompletion or retaineddata; then goes on."""
    endings = {"requeue": Ending.REQUEUED, "terminate": Ending.TERMINATED}
    if option == "retaineddata":
        then = _when_data_expired(state, node, then)
    if not node.tasks:
        then()
        return
    node.when_empty = then
    if option in endings:
        for task in list(node.tasks):
            tasks.end(state, task, endings[option])


def stop(state: State, node: Node, ending: Ending) -> None:
    """Ends all that runs on the node, and what was going to happen to it."""
    if node.timer is not None:
        node.timer.cancel()
    if node.start_task is not None:
        node.start_task.cancel()
        node.start_task = None
    for task in list(node.tasks):
        tasks.end(state, task, ending)


def _leave(state: State, node: Node) -> None:
    stop(state, node, Ending.REQUEUED)
    enter(node.resource, "leavingpool", state.stamp())
    _then(state, node, state.timings.leaving, lambda: _gone(state, node))
    node_changed(state, node)


def _gone(state: State, node: Node) -> None:
    preparations.forget_node(state, node, rebooted=False)
    node.pool.nodes.pop(node.id, None)
    state.store.changed("node", node_key(node), None)
    shutil.rmtree(launches.node_directory(state.root, node.pool.id, node.id), ignore_errors=True)
    state.hooks.node_left(node.pool)


def _park(state: State, node: Node, name: str) -> None:
    enter(node.resource, name, state.stamp())
    node_changed(state, node)


def _create_again(state: State, node: Node) -> None:
    enter(node.resource, "creating", state.stamp())
    node.resource["allocationTime"] = state.stamp()
    _then(state, node, state.timings.creating, lambda: begin(state, node))
    node_changed(state, node)


def _then(state: State, node: Node, seconds: float, action: Callable[[], None]) -> None:
    if node.timer is not None:
        node.timer.cancel()
    node.timer = state.clock.call_later(seconds, action)


def _when_data_expired(state: State, node: Node, then: Callable[[], None]) -> Callable[[], None]:
    def wait() -> None:
        left = node.retained_until - state.clock.now().timestamp()
        if left > 0:
            _then(state, node, left, then)
        else:
            then()

    return wait


def _document(state: State, pool: Pool, node_id: str, *, dedicated: bool) -> JsonObject:
    now = state.stamp()
    image = pool.resource.get("virtualMachineConfiguration", {}).get("imageReference", {})
    number = pool.nodes_made
    return {
        "id": node_id,
        "url": f"{pool.resource['url']}/nodes/{node_id}",
        "state": "creating",
        "schedulingState": "enabled",
        "stateTransitionTime": now,
        "allocationTime": now,
        "ipAddress": f"10.0.{number // 250}.{number % 250 + 4}",
        "ipv6Address": f"fd00::{number + 4:x}",
        "affinityId": f"TVM:{node_id}",
        "vmSize": pool.resource["vmSize"],
        "totalTasksRun": 0,
        "totalTasksSucceeded": 0,
        "runningTasksCount": 0,
        "runningTaskSlotsCount": 0,
        "isDedicated": dedicated,
        "endpointConfiguration": {"inboundEndpoints": endpoints(pool.resource, number)},
        "virtualMachineInfo": {"imageReference": {**image, "exactVersion": image.get("version", "latest")}},
    }
