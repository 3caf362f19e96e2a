"""A task that waits to be given to the service, and how many of such go into one request."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.batch import models

_LARGEST_COLLECTION = 100
_LARGEST_REQUEST = 900_000  # bytes; the service takes one megabyte, all told


@dataclass(eq=False)
class PendingTask:
    """`job` becomes the id of the job that has the task; `deadline` is a moment of the submitter's clock."""

    task: "models.BatchTaskCreateOptions"
    deadline: float
    job: "asyncio.Future[str]"
    # Jobs that may have the task, though the service did not say so.
    doubtful: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        """In bytes, as it is sent."""
        return len(json.dumps(self.task.as_dict()))

    def succeed(self, job: str) -> None:
        if not self.job.done():
            self.job.set_result(job)

    def fail(self, error: Exception) -> None:
        if not self.job.done():
            self.job.set_exception(error)


def first_collection(queue: Sequence[PendingTask]) -> list[PendingTask]:
    """The first of them that go into one request, at least one."""
    some: list[PendingTask] = []
    room = _LARGEST_REQUEST
    for pending in queue[:_LARGEST_COLLECTION]:
        room -= pending.size
        if some and room < 0:
            break
        some.append(pending)
    return some


def run_of(task: "models.BatchTask | models.BatchTaskCreateOptions") -> str | None:
    """The id of the flow run that a task executes, as its environment says."""
    settings = {setting.name: setting.value for setting in task.environment_settings or ()}
    return settings.get("PREFECT__FLOW_RUN_ID")
