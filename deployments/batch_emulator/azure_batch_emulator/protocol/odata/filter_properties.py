"""Which properties and operators `$filter` may use, per listing; anything else is refused as the service does.

Source: https://learn.microsoft.com/rest/api/batchservice/odata-filters-in-batch
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["String", "DateTime", "Int", "Boolean"]


@dataclass(frozen=True)
class FilterProperty:
    """One property a clause may name, and the operators it may use."""

    kind: Kind
    operators: frozenset[str]


_EQUALITY = frozenset({"eq", "ne"})
_ORDER = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_ID = FilterProperty("String", _ORDER | {"startswith"})
_WORD = FilterProperty("String", _EQUALITY)
_EXACT = FilterProperty("String", frozenset({"eq"}))
_OF_THAT_NAME = {
    "id": _ID,
    "name": FilterProperty("String", frozenset({"startswith"})),
    "exitCode": FilterProperty("Int", _ORDER),
    **dict.fromkeys(("enableAutoScale", "enableInterNodeCommunication"), FilterProperty("Boolean", _EQUALITY)),
}
_TIME = FilterProperty("DateTime", _ORDER)
_TIMES = ("Time", "lastModified", "doNotRunUntil", "doNotRunAfter")
_OWN = {
    ("jobs", "executionInfo/poolId"): _ID,
    ("jobschedule_jobs", "executionInfo/poolId"): _ID,
    ("nodes", "startTaskInfo/state"): _EXACT,
    ("nodecounts", "poolId"): _EXACT,
    ("poolusagemetrics", "poolId"): _EXACT,
}

_CHANGES = ("state", "stateTransitionTime", "creationTime", "lastModified")
_JOBS = (*_CHANGES, "executionInfo/startTime", "executionInfo/endTime", "executionInfo/poolId")
_OF_A_RUN = ("startTime", "endTime", "state", "result", "exitCode")
_NAMES: Mapping[str, Iterable[str]] = {
    "pools": (
        *("id", *_CHANGES, "allocationState", "allocationStateTransitionTime"),
        *("enableAutoScale", "vmSize", "enableInterNodeCommunication"),
    ),
    "jobs": ("id", *_JOBS),
    "jobschedule_jobs": _JOBS,
    "jobschedules": ("id", *_CHANGES, "executionInfo/endTime", "schedule/doNotRunUntil", "schedule/doNotRunAfter"),
    # The documentation's name is lastModifiedTime; the property of the resource is lastModified.
    "tasks": (
        *("id", *_CHANGES[:-1], "lastModifiedTime"),
        *(f"executionInfo/{name}" for name in _OF_A_RUN if name != "state"),
    ),
    "nodes": (
        *("state", "stateTransitionTime", "lastBootTime", "allocationTime"),
        *(f"startTaskInfo/{name}" for name in _OF_A_RUN),
    ),
    "nodecounts": ("poolId",),
    "task_files": ("name",),
    "node_files": ("name",),
    "supportedimages": ("osType", "verificationType", "nodeAgentSKUId"),
    "poolusagemetrics": ("poolId",),
    "jobpreparationandreleasetaskstatus": (
        *("poolId", "nodeId"),
        *(f"job{kind}TaskExecutionInfo/{name}" for kind in ("Preparation", "Release") for name in _OF_A_RUN),
    ),
}
ALIASES: Mapping[str, str] = {"lastModifiedTime": "lastModified"}


def _property(kind: str, name: str) -> FilterProperty:
    last = name.rpartition("/")[2]
    return _OWN.get((kind, name)) or _OF_THAT_NAME.get(last) or (_TIME if last.endswith(_TIMES) else _WORD)


FILTERS: Mapping[str, Mapping[str, FilterProperty]] = {
    kind: {name: _property(kind, name) for name in names} for kind, names in _NAMES.items()
}
