"""From a request's method and path to its operation, with the status, query parameters and models of that."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from azure.batch import BatchClient

from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.route_table import LOCATIONS

API_VERSION = "2025-06-01"
_MODEL = re.compile(r"\b_models\.(\w+)")
_QUERY = {
    **{name: f"${name}" for name in ("expand", "filter", "select")},
    **{name: name for name in ("force", "recursive")},
    "end_time": "endtime",
    "max_results": "maxresults",
    "start_time": "startTime",
}
"""Arguments of the SDK's methods to query parameters, besides api-version and timeOut."""


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
    signature = inspect.signature(getattr(BatchClient, operation))
    parameters = signature.parameters
    bodies = [each for each in parameters.values() if _model(each.annotation)]
    return Route(
        operation,
        method,
        path,
        status,
        query=tuple(wire for name, wire in _QUERY.items() if name in parameters),
        body=_model(bodies[0].annotation) if bodies else None,
        body_required=bool(bodies) and bodies[0].default is inspect.Parameter.empty,
        model=_model(signature.return_annotation),
        conditional="if_modified_since" in parameters,
    )


def _model(annotation: object) -> str | None:
    found = _MODEL.search(str(annotation))
    return found[1] if found else None


ROUTES: tuple[Route, ...] = tuple(_route(*location) for location in LOCATIONS)

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
