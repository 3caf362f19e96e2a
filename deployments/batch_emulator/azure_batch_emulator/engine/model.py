"""What an account is made of. A resource is the document the service returns; beside it stands what the service keeps
for itself."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Any

from azure_batch_emulator.control.clock import Timer

JsonObject = dict[str, Any]
_PUSHED = itertools.count()


@dataclass(eq=False, slots=True)
class Resource:
    """A document that the service returns, told apart by its id."""

    resource: JsonObject

    @property
    def id(self) -> str:
        return str(self.resource["id"])

    @property
    def state(self) -> str:
        return str(self.resource["state"])


class Ending(Enum):
    """Why an execution is being ended before its time."""

    TERMINATED = auto()
    """By a user, the end of its job, or the removal of its node."""
    WALL_CLOCK = auto()
    REQUEUED = auto()
    """A user's operation on the node or the job: the task runs again, and requeueCount tells."""
    LOST = auto()
    """The node is gone: the task runs again, and no counter tells."""
    DELETED = auto()


@dataclass(eq=False, slots=True)
class Task(Resource):
    job: "Job"
    order: int
    waiting_for: set[str] = field(default_factory=set)
    """Ids in lower case of what it depends on and that has not ended well yet."""
    ready: bool = False
    node: "Node | None" = None
    run: "asyncio.Task[Any] | None" = None
    ending: Ending | None = None
    reason: str = ""
    wall_clock: Timer | None = None
    is_manager: bool = False

    @property
    def slots(self) -> int:
        return int(self.resource.get("requiredSlots", 1))

    @property
    def runs_alone(self) -> bool:
        return self.is_manager and bool(self.job.resource["jobManagerTask"].get("runExclusive", True))


@dataclass(eq=False, slots=True)
class Job(Resource):
    order: int
    tasks: dict[str, Task] = field(default_factory=dict)
    open_tasks: int = 0
    """Not completed."""
    failed_tasks: int = 0
    assigned: set[Task] = field(default_factory=set)
    dependents: dict[str, list[Task]] = field(default_factory=dict)
    preparations: dict[str, JsonObject] = field(default_factory=dict)
    """By node id: the documents of jobpreparationandreleasetaskstatus."""
    unprepared: set[str] = field(default_factory=set)
    """Nodes on which the preparation failed: no task of the job goes there."""
    schedule_id: str | None = None
    timer: Timer | None = None
    wall_clock: Timer | None = None
    when_idle: Callable[[], None] | None = None
    """What is done as soon as no task of it runs any more."""
    _ready: dict[int, list[tuple[int, int, Task]]] = field(default_factory=dict)

    @property
    def pool_id(self) -> str | None:
        pool_id = self.resource.get("executionInfo", {}).get("poolId")
        return None if pool_id is None else str(pool_id)

    def put_in_line(self, task: Task) -> None:
        task.ready = True
        heapq.heappush(self._ready.setdefault(task.slots, []), (task.order, next(_PUSHED), task))

    def first_in_line(self, most_slots: int) -> Task | None:
        """The oldest task that is ready and needs no more slots than given; it stays in line until `ready` is unset."""
        found: Task | None = None
        for slots, line in self._ready.items():
            while line and not line[0][2].ready:
                heapq.heappop(line)
            if line and slots <= most_slots and (found is None or line[0][0] < found.order):
                found = line[0][2]
        return found


@dataclass(eq=False, slots=True)
class Node(Resource):
    pool: "Pool"
    tasks: set[Task] = field(default_factory=set)
    used_slots: int = 0
    taken_whole: bool = False
    """By a job manager that shares its node with nobody."""
    preparations: "dict[str, asyncio.Task[bool]]" = field(default_factory=dict)
    """By job id in lower case."""
    start_task: "asyncio.Task[Any] | None" = None
    timer: Timer | None = None
    leaving: bool = False
    when_empty: Callable[[], None] | None = None
    """What is done as soon as no task runs on it any more."""
    retained_until: float = 0.0
    """When the last data of its completed tasks expire, in seconds since 1970."""
    users: dict[str, JsonObject] = field(default_factory=dict)

    def put(self, task: Task) -> None:
        self.tasks.add(task)
        self.used_slots += task.slots
        self.taken_whole = task.runs_alone

    def drop(self, task: Task) -> None:
        self.tasks.discard(task)
        self.used_slots -= task.slots
        self.taken_whole = False

    @property
    def dedicated(self) -> bool:
        return bool(self.resource["isDedicated"])

    @property
    def free_slots(self) -> int:
        return 0 if self.taken_whole else int(self.pool.resource["taskSlotsPerNode"]) - self.used_slots

    @property
    def takes_tasks(self) -> bool:
        return (
            self.state in {"idle", "running"}
            and self.resource["schedulingState"] == "enabled"
            and not self.leaving
            and self.when_empty is None
        )


@dataclass(eq=False, slots=True)
class Pool(Resource):
    nodes: dict[str, Node] = field(default_factory=dict)
    nodes_made: int = 0
    """Since the pool was created: each node has addresses and ports of its own."""
    samples: dict[str, list[tuple[datetime, float]]] = field(default_factory=dict)
    work: Timer | None = None
    """When tasks are assigned to nodes next."""
    resize: Timer | None = None
    resize_limit: Timer | None = None
    deallocation: str = "requeue"
    evaluation: Timer | None = None
    sampling: Timer | None = None
    health: Timer | None = None
    autoscale_enabled_at: datetime | None = None
    made_for: str | None = None
    """The job or schedule that an auto pool lives for, unless it is kept alive."""
    timer: Timer | None = None

    @property
    def steady(self) -> bool:
        return bool(self.resource["allocationState"] == "steady")


@dataclass(eq=False, slots=True)
class Schedule(Resource):
    runs: int = 0
    jobs: list[str] = field(default_factory=list)
    timer: Timer | None = None
    due: datetime | None = None
