"""One task that is observed for a flow run: what is known of it, and what a newer look at it changes."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from prefect_azure_batch.observation.evidence import attempt_at
from prefect_azure_batch.service.diagnosis import Diagnosis, diagnose, lower
from prefect_azure_batch.service.identifiers import Infrastructure

if TYPE_CHECKING:
    from azure.batch import models

Phase = Literal["unknown", "waiting", "preparing", "running", "ended"]
_PHASES: dict[str, Phase] = {
    "active": "waiting",
    "preparing": "preparing",
    "running": "running",
    "completed": "ended",
}


@dataclass(eq=False)
class ObservedTask:
    """`registered` and the other moments are of the observer's clock, in seconds."""

    infrastructure: Infrastructure
    run: UUID
    pool: str
    grace: float
    stream: bool
    registered: float
    result: "asyncio.Future[Diagnosis]"
    phase: Phase = "unknown"
    node: str | None = None
    started: datetime | None = None
    requeues: int = 0
    waits_since: float | None = None
    reason: str = ""
    # What keeps its job from running it, whatever the pool is like.
    held: str = ""
    task: "models.BatchTask | None" = None
    ended_since: float | None = None
    ended_by: Diagnosis | None = None
    terminated: bool = False
    crashed: bool = False  # by its own end
    # Bytes of each file of output that were shown.
    shown: dict[str, int] = field(default_factory=dict)

    @property
    def attempt(self) -> int:
        return attempt_at(self.infrastructure)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """How it has ended, once it has."""
        if self.phase != "ended":
            return None
        return self.ended_by or (diagnose(self.task) if self.task else None)

    def look(self, task: "models.BatchTask", now: float) -> set[str]:
        """Takes over what the service says. Returns what is new: `waiting`, `running`, `requeued`, `ended`."""
        before, self.phase = self.phase, _PHASES.get(lower(task.state), "unknown")
        self.task = task
        changes: set[str] = {self.phase} if self.phase != before else set()
        info, node = task.execution_info, task.node_info.node_id if task.node_info else None
        started = info.start_time if info else None
        if self._is_another(before, node, started):
            self.requeues += 1
            changes.add("requeued")
            self.shown.clear()
        if self.phase in {"running", "preparing", "ended"}:
            self.node, self.started = node or self.node, started or self.started
        self.waits_since = (self.waits_since or now) if self.phase == "waiting" else None
        if self.phase == "ended" and self.ended_since is None:
            self.ended_since = now
        return changes

    def _is_another(self, before: Phase, node: str | None, started: datetime | None) -> bool:
        """Whether Batch has begun the task anew: it waits again, or runs elsewhere or since another moment."""
        if self.phase == "waiting":
            return before in {"running", "preparing"}
        moved = bool(node and self.node and node != self.node)
        again = bool(started and self.started and started != self.started)
        return before != "waiting" and self.phase in {"running", "ended"} and (moved or again)
