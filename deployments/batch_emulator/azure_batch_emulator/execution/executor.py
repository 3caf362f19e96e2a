"""What an executor is given to run on a node, and what it hands back: the seam between states and processes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

JsonObject = dict[str, Any]
Kind = Literal["task", "start", "preparation", "release"]


@dataclass(frozen=True)
class Launch:
    """One execution on one node.

    `directory` is the task's own, inside `node_root`: it gets `stdout.txt`, `stderr.txt` and `wd/`. `environment` is
    what the task asked for; the AZ_BATCH_ variables are added by the executor. `container_settings`, `resource_files`
    and `output_files` are as in the REST body. `windows`: the command line was written for a node of Windows.
    """

    kind: Kind
    pool_id: str
    node_id: str
    job_id: str
    task_id: str
    command_line: str
    directory: Path
    environment: Mapping[str, str]
    node_root: Path
    container_settings: JsonObject | None = None
    resource_files: Sequence[JsonObject] = field(default_factory=tuple)
    output_files: Sequence[JsonObject] = field(default_factory=tuple)
    elevated: bool = False
    windows: bool = False


@dataclass(frozen=True)
class Outcome:
    """How it ended. `exit_code` is None where nothing ran; `failure` is a failureInfo, for what it cannot tell."""

    exit_code: int | None
    failure: JsonObject | None = None
    container_info: JsonObject | None = None


class Executor(Protocol):
    @property
    def name(self) -> str:
        """As --executor calls it."""
        ...

    async def run(self, launch: Launch, running: Callable[[], None]) -> Outcome:
        """Prepares (files, image), calls `running` when the process starts, and returns when all of it has ended.

        Cancelling it ends the process and what it started: TERM, a grace, KILL.
        """
        ...


def user_error(code: str, message: str, **details: str) -> JsonObject:
    """A failureInfo that names something the task's author can mend."""
    return _failure("UserError", code, message, details)


def server_error(code: str, message: str, **details: str) -> JsonObject:
    """A failureInfo of what went wrong on the node or in the service."""
    return _failure("ServerError", code, message, details)


def _failure(category: str, code: str, message: str, details: Mapping[str, str]) -> JsonObject:
    pairs = [{"name": name, "value": value} for name, value in details.items()]
    return {"category": category, "code": code, "message": message, "details": pairs}
