"""The life of a node.

creating -> starting -> [waitingforstarttask] -> idle <-> running -> leavingpool
                             starttaskfailed, unusable: until an operator mends or removes them
                             preempted -> creating       unknown -> rebooting -> starting
"""

import shutil
from collections.abc import Callable

from azure_batch_emulator.control.clock import cancel
from azure_batch_emulator.engine.model import Ending, Node, Pool
from azure_batch_emulator.engine.nodes import start_tasks
from azure_batch_emulator.engine.nodes.endpoints import endpoints
from azure_batch_emulator.engine.persistence import enter_node_state, node_key
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.engine.tasks import job_preparation, launches
from azure_batch_emulator.engine.tasks import lifecycle as tasks
from azure_batch_emulator.engine.tasks.launches import is_windows
from azure_batch_emulator.protocol.call import JsonObject


def create(state: State, pool: Pool, *, dedicated: bool) -> Node:
    kind = "d" if dedicated else "p"
    node_id = f"tvmps_{state.random.getrandbits(256):064x}_{kind}"
    node = Node(_document(state, pool, node_id, dedicated=dedicated), pool)
    pool.nodes[node_id] = node
    pool.nodes_made += 1
    _then(state, node, state.timings.creating, lambda: begin(state, node))
    return node


def begin(state: State, node: Node) -> None:
    """The operating system starts, then the start task."""
    enter_node_state(state, node, "starting")
    windows = is_windows(node.pool.resource)
    seconds = state.timings.starting_windows if windows else state.timings.starting
    _then(state, node, seconds, lambda: start_tasks.begin(state, node))


def restart(state: State, node: Node, name: str, seconds: float) -> None:
    """The node is in a state such as rebooting for some time, and then starts."""
    stop(state, node, Ending.REQUEUED)
    node.resource.pop("errors", None)
    job_preparation.forget_node(state, node, rebooted=name == "rebooting")
    enter_node_state(state, node, name)
    _then(state, node, seconds, lambda: begin(state, node))


def deallocate(state: State, node: Node) -> None:
    stop(state, node, Ending.REQUEUED)
    enter_node_state(state, node, "deallocating")
    _then(state, node, state.timings.deallocating, lambda: enter_node_state(state, node, "deallocated"))


def preempt(state: State, node: Node) -> None:
    """Takes a spot node away; it keeps its id, and is created anew when there is capacity again."""
    stop(state, node, Ending.LOST)
    job_preparation.forget_node(state, node, rebooted=False)
    enter_node_state(state, node, "preempted")
    _then(state, node, state.timings.preempted, lambda: _create_again(state, node))


def fail(state: State, node: Node) -> None:
    """The service loses contact: tasks run elsewhere, and the node reboots when it is found again."""
    stop(state, node, Ending.LOST)
    enter_node_state(state, node, "unknown")
    _then(state, node, state.timings.unknown, lambda: recover(state, node))


def break_down(state: State, node: Node, code: str, message: str) -> None:
    stop(state, node, Ending.LOST)
    start_tasks.make_unusable(state, node, code, message)


def recover(state: State, node: Node) -> None:
    if node.state == "preempted":
        _create_again(state, node)
    elif node.state not in {"creating", "starting", "idle", "running"}:
        restart(state, node, "rebooting", state.timings.rebooting)


def resume(state: State, node: Node) -> None:
    """After a restart of the emulator: the node goes on with what it was at, or reboots."""
    after: dict[str, tuple[float, Callable[[], None]]] = {
        "creating": (state.timings.creating, lambda: begin(state, node)),
        "preempted": (state.timings.preempted, lambda: _create_again(state, node)),
        "leavingpool": (state.timings.leaving, lambda: _gone(state, node)),
        "deallocating": (state.timings.deallocating, lambda: enter_node_state(state, node, "deallocated")),
    }
    if node.state in after:
        node.leaving = node.state == "leavingpool"
        _then(state, node, *after[node.state])
    elif node.state not in {"unusable", "starttaskfailed", "deallocated", "offline"}:
        restart(state, node, "rebooting", state.timings.rebooting)


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
    cancel(node.timer)
    if node.start_task is not None:
        node.start_task.cancel()
        node.start_task = None
    for task in list(node.tasks):
        tasks.end(state, task, ending)


def _leave(state: State, node: Node) -> None:
    stop(state, node, Ending.REQUEUED)
    enter_node_state(state, node, "leavingpool")
    _then(state, node, state.timings.leaving, lambda: _gone(state, node))


def _gone(state: State, node: Node) -> None:
    job_preparation.forget_node(state, node, rebooted=False)
    node.pool.nodes.pop(node.id, None)
    state.store.changed("node", node_key(node), None)
    shutil.rmtree(launches.node_directory(state.root, node.pool.id, node.id), ignore_errors=True)
    state.hooks.node_left(node.pool)


def _create_again(state: State, node: Node) -> None:
    enter_node_state(state, node, "creating")
    node.resource["allocationTime"] = state.stamp()
    _then(state, node, state.timings.creating, lambda: begin(state, node))


def _then(state: State, node: Node, seconds: float, action: Callable[[], None]) -> None:
    cancel(node.timer)
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
