"""Removes what is expired, and never what is being read.

The retention counts from when a snapshot was superseded, not from when it was written: a reader that got it while it
was current has that long to read it without telling anybody. Who reads for longer says so, with
`tasks.lake.retention.read_leases`.
A snapshot that is still being written is not current either, so the retention is also the longest that a run may take.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.datasets import CATALOGUE, Dataset
from tasks.errors import TransientError
from tasks.lake.exports import EXPORTS
from tasks.lake.lake import Lake
from tasks.lake.retention.expired import Expired, take_inventory
from tasks.lake.retention.read_leases import RetentionPlan, home_of, leased, plan_path, read_plan
from tasks.lake.store import Store
from tasks.retention_period import SHORTEST

ALL = (*CATALOGUE, EXPORTS)
_AT_ONCE = 8


@dataclass(frozen=True)
class Kept:
    """What housekeeping did to a dataset, `STATE/NAME`. `being_read`: expired snapshots that stay until that ends."""

    dataset: str
    removed: int
    bytes: int
    being_read: int


def housekeep(lake: Lake, retention: timedelta, now: datetime, datasets: Sequence[Dataset] = ALL) -> list[Kept]:
    """Removes what is expired at `now`, a time in UTC. Safe beside readers, writers and another housekeeping.

    Raises ConfigurationError for a retention below an hour, TransientError where another housekeeping is at work."""
    return [_Dataset(lake, home_of(dataset), dataset).housekeep(retention, now) for dataset in datasets]


def expired(lake: Lake, dataset: Dataset, retention: timedelta, now: datetime) -> list[Expired]:
    """What `housekeep` removes, if nobody reads it. Nothing is changed."""
    return _Dataset(lake, home_of(dataset), dataset).look(retention, now)[0]


@dataclass(frozen=True)
class _Dataset:
    lake: Lake
    home: str
    dataset: Dataset

    def housekeep(self, retention: timedelta, now: datetime) -> Kept:
        store = self.lake.store
        before, etag = read_plan(store, self.home)
        due, superseded = self.look(retention, now)
        if not due and superseded == before.superseded:
            return Kept(self.home, 0, 0, 0)
        self._check_alone(before, now)
        self._write(RetentionPlan(superseded=superseded, removing=frozenset(e.name for e in due)), etag)
        # Only now: a reader whose mark is not among these finds its snapshot in the plan, and leaves it.
        reading = leased(store, self.home, self._planned())
        removed = [e for e in due if e.name not in reading]
        _delete(store, [f.path for e in removed for f in e.files])
        names = {e.name for e in removed}
        rest = {name: since for name, since in superseded.items() if name not in names}
        self._write(RetentionPlan(superseded=rest), read_plan(store, self.home)[1])
        return Kept(self.home, len(removed), sum(e.bytes for e in removed), len(due) - len(removed))

    def look(self, retention: timedelta, now: datetime) -> tuple[list[Expired], dict[str, datetime]]:
        """What is expired, and by when each snapshot was superseded."""
        store = self.lake.store
        # Pointers before files: what is published in between is young, and so stays.
        current = [f"{s.partition}/{s.snapshot}" for s in self.lake.partitions(self.dataset)]
        inventory = take_inventory(store.entries(f"{self.home}/"), self.home)
        superseded = inventory.superseded(current, read_plan(store, self.home)[0].superseded)
        return inventory.expired(superseded, retention, now), superseded

    def _write(self, plan: RetentionPlan, etag: str | None) -> None:
        if not self.lake.store.swap(plan_path(self.home), plan.model_dump_json().encode(), etag):
            raise self._busy()

    def _check_alone(self, before: RetentionPlan, now: datetime) -> None:
        # One that died leaves its plan behind, so a plan of an hour ago is nobody's.
        if before.removing and now - self._planned() < SHORTEST:
            raise self._busy()

    def _planned(self) -> datetime:
        """When the plan was written, by the store's own clock."""
        folder = plan_path(self.home).rpartition("/")[0]
        return max(e.modified for e in self.lake.store.entries(f"{folder}/"))

    def _busy(self) -> TransientError:
        return TransientError(f"Another housekeeping is at work in {self.home}. Run again when it has ended.")


def _delete(store: Store, paths: Iterable[str]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(store.delete, paths))
