"""Everything an account holds, and what all that happens in it has in common: its time, its ETags, its coroutines."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from azure_batch_emulator.control.clock import Clock
from azure_batch_emulator.control.faults import Faults
from azure_batch_emulator.control.quotas import Quotas
from azure_batch_emulator.control.timings import Timings
from azure_batch_emulator.engine.model import Job, Node, Pool, Schedule, Task
from azure_batch_emulator.execution.executor import Executor
from azure_batch_emulator.protocol.call import JsonObject
from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.times import stamp, stamp_of_ticks, ticks

Kept = TypeVar("Kept")


class Store(Protocol):
    """Where changed resources are kept. `changed` is called often and returns at once."""

    def changed(self, kind: str, key: str, document: Callable[[], JsonObject] | None) -> None: ...

    def load(self, base_url: str) -> Mapping[str, Sequence[JsonObject]]:
        """Documents by kind, with urls that begin with what is the account's now."""
        ...

    def last_seen(self) -> datetime | None:
        """The emulated time when the store was closed or last written."""
        ...

    def close(self, now: datetime) -> None: ...


@dataclass
class Hooks:
    """What the lower parts of the engine tell the upper ones."""

    assign: Callable[[Pool], None]
    task_running: Callable[[Task, Node], None]
    task_completed: Callable[[Task], None]
    task_deleted: Callable[[Task], None]
    job_idle: Callable[[Job], None]
    job_completed: Callable[[Job], None]
    node_left: Callable[[Pool], None]


@dataclass(eq=False)
class State:
    """The resources of one account. All changes happen on the event loop, none of them awaits in between.

    `applications` are ids and their versions: the account can tell of them, and has no packages.
    `base_url` is what urls of new resources begin with.
    """

    name: str
    clock: Clock
    faults: Faults
    executor: Executor
    quotas: Quotas
    store: Store
    root: Path
    base_url: str
    timings: Timings = field(default_factory=Timings)
    seed: int = 0
    applications: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hooks: Hooks
        self.random = random.Random(self.seed)  # noqa: S311 - ids of an emulator
        self.pools: dict[str, Pool] = {}
        self.jobs: dict[str, Job] = {}
        self.schedules: dict[str, Schedule] = {}
        self._order = 0
        self._last_ticks = 0
        self._running: set[asyncio.Task[Any]] = set()
        self._closing = False

    def pool(self, pool_id: str) -> Pool:
        return _found(self.pools, pool_id, "PoolNotFound")

    def node(self, pool_id: str, node_id: str) -> Node:
        return _found(self.pool(pool_id).nodes, node_id, "NodeNotFound")

    def job(self, job_id: str) -> Job:
        return _found(self.jobs, job_id, "JobNotFound")

    def task(self, job_id: str, task_id: str) -> Task:
        return _found(self.job(job_id).tasks, task_id, "TaskNotFound")

    def schedule(self, schedule_id: str) -> Schedule:
        return _found(self.schedules, schedule_id, "JobScheduleNotFound")

    def stamp(self) -> str:
        return stamp(self.clock.now())

    def next_order(self) -> int:
        self._order += 1
        return self._order

    def touch(self, resource: JsonObject) -> None:
        """A user's change: new eTag and lastModified, never twice the same. Transitions by themselves leave both."""
        self._last_ticks = max(ticks(self.clock.now()), self._last_ticks + 10)
        resource["eTag"] = f"0x{self._last_ticks:X}"
        resource["lastModified"] = stamp_of_ticks(self._last_ticks)

    def created(self, resource: JsonObject) -> None:
        """A new resource's first ETag, and all its times the same."""
        self.touch(resource)
        resource["creationTime"] = resource["stateTransitionTime"] = resource["lastModified"]

    def seen(self, order: int, resource: JsonObject) -> None:
        """Has all that is new come after a resource that was restored."""
        self._order = max(self._order, order)
        self._last_ticks = max(self._last_ticks, int(resource["eTag"], 16))
        self.random.seed(self._last_ticks)

    def wake(self, pool: Pool) -> None:
        """Has tasks assigned to the pool's nodes shortly, once for all that happened meanwhile."""
        if pool.work is None:
            pool.work = self.clock.call_later(self.timings.scheduling, lambda: self._assign(pool))

    def wake_for(self, job: Job) -> None:
        pool = self.pools.get((job.pool_id or "").lower())
        if pool is not None:
            self.wake(pool)

    def spawn(self, work: Coroutine[Any, Any, Any], done: Callable[["asyncio.Task[Any]"], None]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)

        def ended(_: asyncio.Task[Any]) -> None:
            self._running.discard(task)
            if not self._closing:
                done(task)

        task.add_done_callback(ended)
        return task

    async def close(self) -> None:
        """Ends every execution, for the emulator is about to stop; what is stored does not hear of it."""
        self._closing = True
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _assign(self, pool: Pool) -> None:
        pool.work = None
        self.hooks.assign(pool)


def enter(resource: JsonObject, state: str, now: str) -> None:
    """Pools and nodes: to another state."""
    resource["state"] = state
    resource["stateTransitionTime"] = now


def transition(resource: JsonObject, state: str, now: str) -> None:
    """Jobs, tasks and schedules: to another state, and they remember the one before."""
    resource["previousState"] = resource["state"]
    resource["previousStateTransitionTime"] = resource["stateTransitionTime"]
    enter(resource, state, now)


def _found(resources: Mapping[str, Kept], key: str, code: str) -> Kept:
    try:
        return resources[key.lower()]
    except KeyError:
        raise BatchError(code) from None
