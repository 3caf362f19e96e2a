"""What an operation receives and what it may answer: the seam between the protocol and the resources."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One authenticated request whose parameters and body were found valid."""

    operation: str
    """Name of the SDK's method, such as "create_pool"."""
    path: Mapping[str, str] = field(default_factory=dict)
    """Decoded parts of the path by their name in the route: poolId, jobId, filePath."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: JsonObject = field(default_factory=dict)
    base_url: str = ""
    """What urls of resources begin with: the account's own, without a slash at the end."""
    rejected: Mapping[int, Exception] = field(default_factory=dict)
    """The tasks of a collection that are not to be added, by their index, and the BatchError of each."""


@dataclass(frozen=True)
class Reply:
    """An answer; `status` None is the success status of the route."""

    status: int | None = None
    body: JsonObject | None = None
    etag: str | None = None
    last_modified: datetime | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """All there is; the protocol filters, selects and cuts it into pages.

    `kind` names the closed list of filter properties: pools, jobs, jobschedule_jobs, jobschedules, tasks, subtasks,
    nodes, nodecounts, task_files, node_files, supportedimages, jobpreparationandreleasetaskstatus, applications,
    poolusagemetrics, node_extensions.
    """

    kind: str
    items: Iterable[JsonObject]


@dataclass(frozen=True)
class FileContent:
    """A file or directory of a node. GET streams it (whole, or the range of `ocp-range`), HEAD tells its properties."""

    path: Path
    url: str = ""
    """As the service names the file, for the header ocp-batch-file-url."""


Answer = Reply | Listing | FileContent
