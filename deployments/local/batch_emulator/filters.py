"""Which properties and operators `$filter` may use, per listing; anything else is refused as the service does.

Source: https://learn.microsoft.com/rest/api/batchservice/odata-filters-in-batch
"""

from collections.abc import Mapping
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
_TEXT = _ORDER | {"startswith"}

ID = FilterProperty("String", _TEXT)
STATE = FilterProperty("String", _EQUALITY)
TIME = FilterProperty("DateTime", _ORDER)
NUMBER = FilterProperty("Int", _ORDER)
FLAG = FilterProperty("Boolean", _EQUALITY)
PREFIX = FilterProperty("String", frozenset({"startswith"}))
EXACT = FilterProperty("String", frozenset({"eq"}))

_TIMES = {"stateTransitionTime": TIME, "creationTime": TIME}

_JOBS = {
    "state": STATE,
    **_TIMES,
    "lastModified": TIME,
    "executionInfo/startTime": TIME,
    "executionInfo/endTime": TIME,
    "executionInfo/poolId": ID,
}

_NODES = {
    "state": STATE,
    "stateTransitionTime": TIME,
    "lastBootTime": TIME,
    "allocationTime": TIME,
    "startTaskInfo/startTime": TIME,
    "startTaskInfo/endTime": TIME,
    "startTaskInfo/state": EXACT,
    "startTaskInfo/result": STATE,
    "startTaskInfo/exitCode": NUMBER,
}


def _of_execution(name: str) -> dict[str, FilterProperty]:
    return {
        f"{name}/state": STATE,
        f"{name}/startTime": TIME,
        f"{name}/endTime": TIME,
        f"{name}/exitCode": NUMBER,
        f"{name}/result": STATE,
    }


FILTERS: Mapping[str, Mapping[str, FilterProperty]] = {
    "pools": {
        "id": ID,
        "state": STATE,
        "allocationState": STATE,
        **_TIMES,
        "allocationStateTransitionTime": TIME,
        "lastModified": TIME,
        "enableAutoScale": FLAG,
        "vmSize": STATE,
        "enableInterNodeCommunication": FLAG,
    },
    "jobs": {"id": ID, **_JOBS},
    "jobschedule_jobs": _JOBS,
    "jobschedules": {
        "id": ID,
        "state": STATE,
        **_TIMES,
        "lastModified": TIME,
        "executionInfo/endTime": TIME,
        "schedule/doNotRunUntil": TIME,
        "schedule/doNotRunAfter": TIME,
    },
    "tasks": {
        "id": ID,
        "state": STATE,
        **_TIMES,
        # The documentation's name; the property of the resource is lastModified.
        "lastModifiedTime": TIME,
        "executionInfo/startTime": TIME,
        "executionInfo/endTime": TIME,
        "executionInfo/exitCode": NUMBER,
        "executionInfo/result": STATE,
    },
    "nodes": _NODES,
    "nodecounts": {"poolId": EXACT},
    "task_files": {"name": PREFIX},
    "node_files": {"name": PREFIX},
    "supportedimages": {"osType": STATE, "verificationType": STATE, "nodeAgentSKUId": STATE},
    "poolusagemetrics": {"poolId": EXACT},
    "jobpreparationandreleasetaskstatus": {
        "poolId": STATE,
        "nodeId": STATE,
        **_of_execution("jobPreparationTaskExecutionInfo"),
        **_of_execution("jobReleaseTaskExecutionInfo"),
    },
}

ALIASES: Mapping[str, str] = {"lastModifiedTime": "lastModified"}
