"""The 72 operations of the data plane: method, path, success status, query parameters, models."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from deployments.local.batch_emulator import route_table as table
from deployments.local.batch_emulator.errors import BatchError

API_VERSION = "2025-06-01"


@dataclass(frozen=True)
class Route:
    """One operation under the name of the SDK's method that calls it."""

    operation: str
    method: str
    path: str
    status: int
    query: tuple[str, ...] = ()
    body: str | None = None
    """The SDK's model of the request's body."""
    body_required: bool = True
    model: str | None = None
    """The SDK's model of the answer, or of one item of a listing."""
    listing: bool = False
    conditional: bool = False
    """Whether If-Match and its relatives are understood."""


def match(method: str, raw_path: str) -> tuple[Route, dict[str, str]]:
    """Route and decoded path parameters. A file's path may come with `%2F` (the SDK) or with slashes (a listing's url).

    Raises: BatchError InvalidUri (no such resource), UnsupportedHttpVerb (the resource exists, the method does not).
    """
    parts = raw_path.strip("/").split("/")
    allowed: list[str] = []
    for route in _BY_HEAD.get(parts[0], ()):
        values = _values(_PARTS[route.operation], parts)
        if values is not None and route.method == method:
            return route, values
        if values is not None:
            allowed.append(route.method)
    if allowed:
        raise BatchError("UnsupportedHttpVerb", values={"AllowedMethods": ", ".join(sorted(set(allowed)))})
    raise BatchError("InvalidUri", values={"Uri": raw_path})


def _values(template: list[str], parts: list[str]) -> dict[str, str] | None:
    if template[-1] == "{filePath}" and len(parts) > len(template):
        last = len(template) - 1
        parts = [*parts[:last], "/".join(parts[last:])]
    if len(template) != len(parts):
        return None
    values = {}
    for name, part in zip(template, parts, strict=True):
        if name.startswith("{") and part:
            values[name[1:-1]] = unquote(part)
        elif name != part.lower():
            return None
    return values


def _route(operation: str, method: str, path: str, status: int) -> Route:
    return Route(
        operation,
        method,
        path,
        status,
        query=table.QUERIES.get(operation, ()),
        body=table.BODIES.get(operation),
        body_required=operation not in table.OPTIONAL_BODIES,
        model=table.MODELS.get(operation),
        listing=operation in table.LISTINGS,
        conditional=operation in table.CONDITIONAL,
    )


ROUTES: tuple[Route, ...] = tuple(_route(*location) for location in table.LOCATIONS)

OPERATIONS_BY_NAME: Mapping[str, Route] = {route.operation: route for route in ROUTES}

RESOURCE_OPERATIONS: Mapping[str, str] = {
    "/pools/{poolId}": "get_pool",
    "/jobs/{jobId}": "get_job",
    "/jobs/{jobId}/tasks/{taskId}": "get_task",
    "/jobschedules/{jobScheduleId}": "get_job_schedule",
}
"""Which operation tells the state of the resource that a conditional request is about."""

_PARTS = {route.operation: route.path.strip("/").split("/") for route in ROUTES}
_BY_HEAD: dict[str, list[Route]] = {}
for _each in ROUTES:
    _BY_HEAD.setdefault(_PARTS[_each.operation][0], []).append(_each)
