"""What values of properties the service takes, besides their types. Sources: the descriptions of the REST reference."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deployments.local.batch_emulator.times import seconds

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


IDENTIFIER = Bound(
    lambda value: _ID.match(value) is not None,
    "The id may have up to 64 letters, digits, hyphens and underscores",
)
PRIORITY = between(-1000, 1000)
RETRIES = at_least(-1)
NODES = at_least(0)
NAME = at_most_characters(1024)
RESIZE_TIMEOUT = lasting(300, 604800, "at least 5 minutes")
INTERVAL = lasting(300, 604800, "between 5 minutes and 168 hours")
PARALLEL = Bound(lambda value: value == -1 or value > 0, "The value must be greater than 0, or -1 for no limit")
SLOTS = between(1, 256)
NOT_EMPTY = Bound(lambda value: len(value) > 0, "The value may not be empty")
POSITIVE_TIME = Bound(lambda value: seconds(value) > 0, "The duration must be greater than zero")
IMAGE_ID = Bound(
    lambda value: _IMAGE.match(value) is not None,
    "The specified resource id must be of the format "
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/images/"
    "{imageName}, "
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/galleries/"
    "{galleryName}/images/{galleryImageName}/versions/{galleryImageVersionName}, "
    "or /subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/galleries/"
    "{galleryName}/images/{galleryImageName}",
)
SUBNET_ID = Bound(
    lambda value: _SUBNET.match(value) is not None and "/00000000-0000-0000-0000-000000000000/" not in value,
    "The specified subnetId is in a different subscription and cannot be used with the current Batch account",
)

BOUNDS: Mapping[tuple[str, str], Bound] = {
    ("BatchPoolCreateOptions", "id"): IDENTIFIER,
    ("BatchJobCreateOptions", "id"): IDENTIFIER,
    ("BatchJobScheduleCreateOptions", "id"): IDENTIFIER,
    ("BatchTaskCreateOptions", "id"): IDENTIFIER,
    ("BatchJobManagerTask", "id"): IDENTIFIER,
    ("BatchJobPreparationTask", "id"): IDENTIFIER,
    ("BatchJobReleaseTask", "id"): IDENTIFIER,
    ("BatchPoolCreateOptions", "displayName"): NAME,
    ("BatchJobCreateOptions", "displayName"): NAME,
    ("BatchTaskCreateOptions", "displayName"): NAME,
    ("BatchTaskCreateOptions", "commandLine"): NOT_EMPTY,
    ("BatchTaskCreateOptions", "requiredSlots"): SLOTS,
    ("BatchPoolCreateOptions", "vmSize"): NOT_EMPTY,
    ("BatchPoolCreateOptions", "taskSlotsPerNode"): SLOTS,
    ("BatchPoolSpecification", "taskSlotsPerNode"): SLOTS,
    ("BatchPoolUpdateOptions", "taskSlotsPerNode"): SLOTS,
    **{
        (model, name): NODES
        for model in ("BatchPoolCreateOptions", "BatchPoolSpecification", "BatchPoolResizeOptions")
        for name in ("targetDedicatedNodes", "targetLowPriorityNodes")
    },
    **{
        (model, "resizeTimeout"): RESIZE_TIMEOUT
        for model in (
            "BatchPoolCreateOptions",
            "BatchPoolSpecification",
            "BatchPoolResizeOptions",
            "BatchNodeRemoveOptions",
        )
    },
    **{
        (model, "autoScaleEvaluationInterval"): INTERVAL
        for model in ("BatchPoolCreateOptions", "BatchPoolSpecification", "BatchPoolEnableAutoScaleOptions")
    },
    ("BatchNodeRemoveOptions", "nodeList"): Bound(
        lambda value: 1 <= len(value) <= 100, "Between 1 and 100 nodes may be removed by one request"
    ),
    **{
        (model, name): bound
        for model in ("BatchJobCreateOptions", "BatchJobUpdateOptions", "BatchJob", "BatchJobSpecification")
        for name, bound in (("priority", PRIORITY), ("maxParallelTasks", PARALLEL))
    },
    ("BatchJobConstraints", "maxTaskRetryCount"): RETRIES,
    ("BatchTaskConstraints", "maxTaskRetryCount"): RETRIES,
    ("BatchStartTask", "maxTaskRetryCount"): RETRIES,
    ("BatchJobConstraints", "maxWallClockTime"): POSITIVE_TIME,
    ("BatchTaskConstraints", "maxWallClockTime"): POSITIVE_TIME,
    ("BatchJobReleaseTask", "maxWallClockTime"): lasting(0, 900, "at most 15 minutes"),
    ("BatchJobScheduleConfiguration", "recurrenceInterval"): lasting(60, float("inf"), "at least 1 minute"),
    ("BatchJobScheduleConfiguration", "startWindow"): lasting(60, float("inf"), "at least 1 minute"),
    ("BatchAutoPoolSpecification", "autoPoolIdPrefix"): at_most_characters(20),
    ("BatchVmImageReference", "virtualMachineImageId"): IMAGE_ID,
    ("NetworkConfiguration", "subnetId"): SUBNET_ID,
}
