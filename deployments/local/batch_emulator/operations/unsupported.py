"""What the service can do and the emulator cannot, in one table: each is refused with an error of the service."""

from collections.abc import Callable, Mapping

from deployments.local.batch_emulator.account import Account
from deployments.local.batch_emulator.call import Call, JsonObject, Reply
from deployments.local.batch_emulator.errors import BatchError

OPERATIONS: Mapping[str, tuple[str, str]] = {
    "get_application": ("ApplicationNotFound", "The emulator has no application packages"),
}
"""Operation to the code of its error and the reason."""

PROPERTIES: Mapping[str, Mapping[str, str]] = {
    "task": {"multiInstanceSettings": "The emulator does not run multi-instance tasks"},
    "pool": {
        "applicationPackageReferences": "The emulator has no application packages",
    },
}
"""Resource to the properties that are refused with UnsupportedProperty, and the reason."""


def refuse_operation(account: Account, call: Call) -> Reply:
    """Raises: BatchError always; for a node that is not there, that it is not there."""
    if "nodeId" in call.path:
        account.node(call.path["poolId"], call.path["nodeId"])
    code, reason = OPERATIONS[call.operation]
    raise BatchError(code, values={"Reason": reason})


def refuse_property(resource: str, body: JsonObject) -> None:
    """Raises: BatchError UnsupportedProperty."""
    for name, reason in PROPERTIES[resource].items():
        if body.get(name):
            raise BatchError("UnsupportedProperty", values={"PropertyName": name, "Reason": reason})


REFUSING: Mapping[str, Callable[[Account, Call], Reply]] = dict.fromkeys(OPERATIONS, refuse_operation)
