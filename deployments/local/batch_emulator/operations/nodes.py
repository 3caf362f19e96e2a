"""Operations on the nodes of a pool."""

from collections.abc import Callable

from deployments.local.batch_emulator.account import Account
from deployments.local.batch_emulator.call import Call, JsonObject, Listing, Reply
from deployments.local.batch_emulator.engine import nodes
from deployments.local.batch_emulator.engine.endpoints import has_ipv6
from deployments.local.batch_emulator.engine.keeping import node_changed
from deployments.local.batch_emulator.engine.model import Node
from deployments.local.batch_emulator.engine.state import enter
from deployments.local.batch_emulator.errors import BatchError
from deployments.local.batch_emulator.operations.answers import shown

_BUSY = {
    "creating": "NodeBeingCreated",
    "starting": "NodeBeingStarted",
    "rebooting": "NodeBeingRebooted",
    "reimaging": "NodeBeingReimaged",
}
_ABSENT = {"preempted", "leavingpool", "deallocating"}


def list_nodes(account: Account, call: Call) -> Listing:
    return Listing("nodes", [node.resource for node in account.pool(call.path["poolId"]).nodes.values()])


def get_node(account: Account, call: Call) -> Reply:
    return shown(_node(account, call).resource)


def reboot_node(account: Account, call: Call) -> Reply:
    node = _present(account, call)
    option = call.body.get("nodeRebootOption", "requeue")
    return _drained(
        account, node, option, lambda: nodes.away_for(account, node, "rebooting", account.timings.rebooting)
    )


def reimage_node(account: Account, call: Call) -> Reply:
    node = _present(account, call)
    option = call.body.get("nodeReimageOption", "requeue")
    return _drained(
        account, node, option, lambda: nodes.away_for(account, node, "reimaging", account.timings.reimaging)
    )


def deallocate_node(account: Account, call: Call) -> Reply:
    node = _present(account, call)
    option = call.body.get("nodeDeallocateOption", "requeue")
    return _drained(account, node, option, lambda: nodes.deallocate(account, node))


def start_node(account: Account, call: Call) -> Reply:
    node = _node(account, call)
    if node.state != "deallocated":
        raise BatchError("OperationNotValidOnNode", values={"Reason": f"The node is {node.state}, not deallocated"})
    nodes.begin(account, node)
    return Reply()


def disable_node_scheduling(account: Account, call: Call) -> Reply:
    """Nothing more is sent to the node; when nothing runs on it any more, it is offline."""
    node = _present(account, call)
    if node.resource["schedulingState"] == "disabled":
        raise BatchError("NodeAlreadyInTargetSchedulingState")
    node.resource["schedulingState"] = "disabled"
    return _drained(
        account, node, call.body.get("nodeDisableSchedulingOption", "requeue"), lambda: _rest(account, node)
    )


def enable_node_scheduling(account: Account, call: Call) -> Reply:
    node = _present(account, call)
    if node.resource["schedulingState"] == "enabled":
        raise BatchError("NodeAlreadyInTargetSchedulingState")
    node.resource["schedulingState"] = "enabled"
    node.when_empty = None
    if node.state == "offline":
        enter(node.resource, "idle", account.stamp())
    account.wake(node.pool)
    node_changed(account, node)
    return Reply()


def get_node_remote_login_settings(account: Account, call: Call) -> Reply:
    """Over IPv6 too where the pool asked for such addresses; nothing listens at either."""
    node = _present(account, call)
    login = node.resource["endpointConfiguration"]["inboundEndpoints"][-1]
    port = login["frontendPort"]
    settings: JsonObject = {"remoteLoginIPAddress": login["publicIPAddress"], "remoteLoginPort": port}
    if has_ipv6(node.pool.resource):
        settings |= {"ipv6RemoteLoginIPAddress": "::1", "ipv6RemoteLoginPort": port}
    return Reply(body=settings)


def create_node_user(account: Account, call: Call) -> Reply:
    """The user is remembered; nobody can log in to a node of the emulator."""
    node = _present(account, call)
    if call.body["name"].lower() in node.users:
        raise BatchError("NodeUserExists")
    node.users[call.body["name"].lower()] = call.body
    return Reply()


def replace_node_user(account: Account, call: Call) -> Reply:
    _user(account, call).update(call.body)
    return Reply()


def delete_node_user(account: Account, call: Call) -> Reply:
    _user(account, call)
    del _node(account, call).users[call.path["userName"].lower()]
    return Reply()


def _drained(account: Account, node: Node, option: str, then: Callable[[], None]) -> Reply:
    nodes.drain(account, node, option.lower(), then)
    node_changed(account, node)
    return Reply()


def _rest(account: Account, node: Node) -> None:
    if node.state in {"idle", "running"}:
        enter(node.resource, "offline", account.stamp())
    node_changed(account, node)


def _user(account: Account, call: Call) -> JsonObject:
    try:
        return _node(account, call).users[call.path["userName"].lower()]
    except KeyError:
        raise BatchError("NodeUserNotFound") from None


def _present(account: Account, call: Call) -> Node:
    node = _node(account, call)
    if node.state in _BUSY:
        raise BatchError(_BUSY[node.state])
    if node.state in _ABSENT:
        raise BatchError("OperationNotValidOnNode", values={"Reason": f"The node is {node.state}"})
    return node


def _node(account: Account, call: Call) -> Node:
    return account.node(call.path["poolId"], call.path["nodeId"])
