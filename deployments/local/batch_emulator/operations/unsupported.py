"""What the service can do and the emulator cannot, in one table: it is refused with an error of the service."""

from collections.abc import Mapping

from deployments.local.batch_emulator.call import JsonObject
from deployments.local.batch_emulator.errors import BatchError

PROPERTIES: Mapping[str, Mapping[str, str]] = {
    "task": {"multiInstanceSettings": "The emulator does not run multi-instance tasks"},
    "pool": {"applicationPackageReferences": "The emulator installs no application packages on nodes"},
}
"""Resource to the properties that are refused with UnsupportedProperty, and the reason."""


def refuse_property(resource: str, body: JsonObject) -> None:
    """Raises: BatchError UnsupportedProperty."""
    for name, reason in PROPERTIES[resource].items():
        if body.get(name):
            raise BatchError("UnsupportedProperty", values={"PropertyName": name, "Reason": reason})
