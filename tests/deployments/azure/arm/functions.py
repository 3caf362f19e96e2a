"""Template functions that need nothing but their arguments, and where the deployment goes.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions
"""

import base64
import functools
import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from tests.deployments.azure.arm.resources import GROUP, REGION, SUBSCRIPTION, TENANT, resource_id
from tests.deployments.azure.arm.syntax import TemplateError

# Of Azure's guid(), which is a UUID of version 5 over the arguments.
_NAMESPACE = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")


def _format(pattern: str, *values: object) -> str:
    def value(found: re.Match[str]) -> str:
        if int(found[1]) >= len(values):
            raise TemplateError(f"format('{pattern}') has no value for {found[0]}")
        return _text(values[int(found[1])])

    return re.sub(r"\{(\d+)\}", value, pattern)


def _concat(*parts: Any) -> Any:
    if parts and all(isinstance(part, list) for part in parts):
        return [item for part in parts for item in part]
    if any(isinstance(part, list | dict) for part in parts):
        raise TemplateError("concat() joins texts or lists, not both")
    return "".join(_text(part) for part in parts)


def _create_object(*pairs: Any) -> dict[str, Any]:
    return dict(zip(pairs[::2], pairs[1::2], strict=True))


def _unique_string(*parts: str) -> str:
    """13 letters and digits like Azure's, though not the same ones: its hash is not published."""
    digest = hashlib.sha256("-".join(parts).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:13]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, list | dict):
        raise TemplateError(f"{value} is no text")
    return str(value)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "and": lambda *values: all(values),
    "concat": _concat,
    "createArray": lambda *items: list(items),
    "createObject": _create_object,
    "empty": lambda value: not value,
    "equals": lambda one, other: one == other,
    "format": _format,
    "guid": lambda *parts: str(uuid.uuid5(_NAMESPACE, "-".join(parts))),
    "join": lambda items, separator: separator.join(items),
    "length": len,
    "min": min,
    "not": lambda value: not value,
    "or": lambda *values: any(values),
    "replace": lambda text, old, new: text.replace(old, new),
    "resourceGroup": lambda: {"id": GROUP, "location": REGION, "name": GROUP.rpartition("/")[2]},
    "resourceId": resource_id,
    "subscription": lambda: {
        "id": SUBSCRIPTION,
        "subscriptionId": SUBSCRIPTION.rpartition("/")[2],
        "tenantId": TENANT,
    },
    "subscriptionResourceId": functools.partial(resource_id, scope=SUBSCRIPTION),
    "take": lambda text, count: text[:count],
    "toLower": str.lower,
    "uniqueString": _unique_string,
}
