"""Operations on the nodes of a pool."""

from collections.abc import Callable

from azure_batch_emulator.engine.model import Node
from azure_batch_emulator.engine.nodes import lifecycle as nodes
from azure_batch_emulator.engine.nodes.endpoints import has_ipv6
from azure_batch_emulator.engine.persistence import enter_node_state, node_changed
from azure_batch_emulator.engine.state import State
from azure_batch_emulator.operations.answers import shown
from azure_batch_emulator.protocol.call import Call, JsonObject, Listing, Reply
from azure_batch_emulator.protocol.errors import BatchError

_BUSY = {
    "creating": "NodeBeingCreated",
    "starting": "NodeBeingStarted",
    "rebooting": "NodeBeingRebooted",
    "reimaging": "NodeBeingReimaged",
}
_ABSENT = {"preempted", "leavingpool", "deallocating"}


def list_nodes(account: State, call: Call) -> Listing:
    return Listing("nodes", [node.resource for node in account.pool(call.path["poolId"]).nodes.values()])


def get_node(account: State, call: Call) -> Reply:
    return shown(_node(account, call).resource)


def reboot_node(account: State, call: Call) -> Reply:
    node = _present(account, call)
    option = call.body.get("nodeRebootOption", "requeue")
    return _drained(account, node, option, lambda: nodes.restart(account, node, "rebooting", account.timings.rebooting))


def reimage_node(account: State, call: Call) -> Reply:
    node = _present(account, call)
    option = call.body.get("nodeReimageOption", "requeue")
    return _drained(account, node, option, lambda: nodes.restart(account, node, "reimaging", account.timings.reimaging))


def deallocate_node(account: State, call: Call) -> Reply:
    node = _present(account, call)
    option = call.body.get("nodeDeallocateOption", "requeue")
    return _drained(account, node, option, lambda: nodes.deallocate(account, node))


def start_node(account: State, call: Call) -> Reply:
    node = _node(account, call)
    if node.state != "deallocated":
        raise BatchError("OperationNotValidOnNode", values={"Reason": f"The node is {node.state}, not deallocated"})
    nodes.begin(account, node)
    return Reply()


def disable_node_scheduling(account: State, call: Call) -> Reply:
    """Nothing more is sent to the node; when nothing runs on it any more, it is offline."""
    node = _present(account, call)
    if node.resource["schedulingState"] == "disabled":
        raise BatchError("NodeAlreadyInTargetSchedulingState")
    node.resource["schedulingState"] = "disabled"
    option = call.body.get("nodeDisableSchedulingOption", "requeue")
    return _drained(account, node, option, lambda: _rest(account, node))


def enable_node_scheduling(account: State, call: Call) -> Reply:
    node = _present(account, call)
    if node.resource["schedulingState"] == "enabled":
        raise BatchError("NodeAlreadyInTargetSchedulingState")
    node.resource["schedulingState"] = "enabled"
    node.when_empty = None
    if node.state == "offline":
        enter_node_state(account, node, "idle")
    account.wake(node.pool)
    node_changed(account, node)
    return Reply()


def get_node_remote_login_settings(account: State, call: Call) -> Reply:
    """Over IPv6 too where the pool asked for such addresses; nothing listens at either."""
    node = _present(account, call)
    login = node.resource["endpointConfiguration"]["inboundEndpoints"][-1]
    port = login["frontendPort"]
    settings: JsonObject = {"remoteLoginIPAddress": login["publicIPAddress"], "remoteLoginPort": port}
    if has_ipv6(node.pool.resource):
        settings |= {"ipv6RemoteLoginIPAddress": "::1", "ipv6RemoteLoginPort": port}
    return Reply(body=settings)


def create_node_user(account: State, call: Call) -> Reply:
    """The user is remembered; nobody can log in to a node of the emulator."""
    node = _present(account, call)
    if call.body["name"].lower() in node.users:
        raise BatchError("NodeUserExists")
    node.users[call.body["name"].lower()] = call.body
    return Reply()


def replace_node_user(account: State, call: Call) -> Reply:
    _user(account, call).update(call.body)
    return Reply()


def delete_node_user(account: State, call: Call) -> Reply:
    _user(account, call)
    del _node(account, call).users[call.path["userName"].lower()]
    return Reply()


def _drained(account: State, node: Node, option: str, then: Callable[[], None]) -> Reply:
    nodes.drain(account, node, option.lower(), then)
    node_changed(account, node)
    return Reply()


def _rest(account: State, node: Node) -> None:
    if node.state in {"idle", "running"}:
        enter_node_state(account, node, "offline")


def _user(account: State, call: Call) -> JsonObject:
    try:
        return _node(account, call).users[call.path["userName"].lower()]
    except KeyError:
        raise BatchError("NodeUserNotFound") from None


def _present(account: State, call: Call) -> Node:
    node = _node(account, call)
    if node.state in _BUSY:
        raise BatchError(_BUSY[node.state])
    if node.state in _ABSENT:
        raise BatchError("OperationNotValidOnNode", values={"Reason": f"The node is {node.state}"})
    return node


def _node(account: State, call: Call) -> Node:
    return account.node(call.path["poolId"], call.path["nodeId"])
