"""The bounds of properties: least and greatest numbers, lengths, patterns. Sources: the descriptions of the REST
reference."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from azure_batch_emulator.protocol.times import seconds

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_IMAGE = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Compute/"
    r"(images/[^/]+|galleries/[^/]+/images/[^/]+(/versions/[^/]+)?)\Z",
    re.IGNORECASE,
)
_SUBNET = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/virtualNetworks/[^/]+/subnets/[^/]+\Z", re.IGNORECASE
)


@dataclass(frozen=True)
class Bound:
    """A condition on a value, and the service's words when it does not hold."""

    holds: Callable[[Any], bool]
    reason: str


def between(low: float, high: float) -> Bound:
    """Both ends are allowed."""
    return Bound(lambda value: low <= value <= high, f"The value must be between {low} and {high}")


def at_least(low: float) -> Bound:
    """No value below `low`."""
    return Bound(lambda value: value >= low, f"The value must be at least {low}")


def at_most_characters(count: int) -> Bound:
    """Texts up to a length."""
    return Bound(lambda value: len(value) <= count, f"The value may have at most {count} characters")


def lasting(low: float, high: float, words: str) -> Bound:
    """Durations, bounds in seconds."""
    return Bound(lambda value: low <= seconds(value) <= high, f"The duration must be {words}")


_IMAGE_ID = Bound(
    lambda value: _IMAGE.match(value) is not None,
    "The specified resource id must be of the format "
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/images/"
    "{imageName}, "
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/galleries/"
    "{galleryName}/images/{galleryImageName}/versions/{galleryImageVersionName}, "
    "or /subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/galleries/"
    "{galleryName}/images/{galleryImageName}",
)
_SUBNET_ID = Bound(
    lambda value: _SUBNET.match(value) is not None and "/00000000-0000-0000-0000-000000000000/" not in value,
    "The specified subnetId is in a different subscription and cannot be used with the current Batch account",
)

_NODES = at_least(0)
_SLOTS = between(1, 256)
_NOT_EMPTY = Bound(lambda value: len(value) > 0, "The value may not be empty")
_A_MINUTE = lasting(60, float("inf"), "at least 1 minute")
_BOUNDS: Mapping[str, Bound] = {
    "id": Bound(
        lambda value: _ID.match(value) is not None,
        "The id may have up to 64 letters, digits, hyphens and underscores",
    ),
    "displayName": at_most_characters(1024),
    "commandLine": _NOT_EMPTY,
    "vmSize": _NOT_EMPTY,
    "requiredSlots": _SLOTS,
    "taskSlotsPerNode": _SLOTS,
    "targetDedicatedNodes": _NODES,
    "targetLowPriorityNodes": _NODES,
    "resizeTimeout": lasting(300, 604800, "at least 5 minutes"),
    "autoScaleEvaluationInterval": lasting(300, 604800, "between 5 minutes and 168 hours"),
    "nodeList": Bound(lambda value: 1 <= len(value) <= 100, "Between 1 and 100 nodes may be removed by one request"),
    "priority": between(-1000, 1000),
    "maxParallelTasks": Bound(
        lambda value: value == -1 or value > 0, "The value must be greater than 0, or -1 for no limit"
    ),
    "maxTaskRetryCount": at_least(-1),
    "maxWallClockTime": Bound(lambda value: seconds(value) > 0, "The duration must be greater than zero"),
    "recurrenceInterval": _A_MINUTE,
    "startWindow": _A_MINUTE,
    "autoPoolIdPrefix": at_most_characters(20),
    "virtualMachineImageId": _IMAGE_ID,
    "subnetId": _SUBNET_ID,
}
_OWN: Mapping[tuple[str, str], Bound] = {
    ("BatchJobReleaseTask", "maxWallClockTime"): lasting(0, 900, "at most 15 minutes"),
    ("NetworkSecurityGroupRule", "priority"): between(150, 4096),
}


def bound_of(model: str, name: str) -> Bound | None:
    """What holds for a property, by its name. An id that is not of this service may be anything."""
    if name == "id" and not model.startswith("Batch"):
        return None
    return _OWN.get((model, name)) or _BOUNDS.get(name)
