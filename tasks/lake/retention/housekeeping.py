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
from functools import partial

from tasks.datasets import CATALOGUE, Dataset
from tasks.errors import TransientError
from tasks.isolation import Failure, attempt
from tasks.lake.exports import EXPORTS
from tasks.lake.lake import Lake
from tasks.lake.retention.expired import Expired, take_inventory
from tasks.lake.retention.read_leases import RetentionPlan, home_of, leased, plan_path, read_plan
from tasks.lake.store import Store
from tasks.retention_period import SHORTEST, check_retention

ALL = (*CATALOGUE, EXPORTS)
_AT_ONCE = 8


@dataclass(frozen=True)
class Kept:
    """What housekeeping did to a dataset, `STATE/NAME`. `being_read`: expired snapshots that stay until that ends.

    `failed` says of partitions and snapshots, or of all of it, why they stay as they are."""

    dataset: str
    removed: int
    bytes: int
    being_read: int
    failed: str = ""


def housekeep(lake: Lake, retention: timedelta, now: datetime, datasets: Sequence[Dataset] = ALL) -> list[Kept]:
    """Removes what is expired at `now`, a time in UTC. Safe beside readers, writers and another housekeeping.

    What goes wrong with one dataset, partition or snapshot is told of it, and the others are looked after. Raises
    ConfigurationError for a retention below an hour."""
    check_retention(retention)
    some = [_Dataset(lake, home_of(dataset), dataset) for dataset in datasets]
    found = [(each.home, attempt(partial(each.housekeep, retention, now))) for each in some]
    return [Kept(home, 0, 0, 0, kept.reason) if isinstance(kept, Failure) else kept for home, kept in found]


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
        due, superseded, broken = self.look(retention, now)
        failed = [f"{partition}: {why}" for partition, why in broken.items()]
        if not due and superseded == before.superseded:
            return Kept(self.home, 0, 0, 0, _told(failed))
        self._check_alone(before, now)
        self._write(RetentionPlan(superseded=superseded, removing=frozenset(e.name for e in due)), etag)
        # Only now: a reader whose mark is not among these finds its snapshot in the plan, and leaves it.
        reading = leased(store, self.home, self._planned())
        free = [e for e in due if e.name not in reading]
        stuck = _delete(store, free)
        removed = [e for e in free if e.name not in stuck]
        names = {e.name for e in removed}
        rest = {name: since for name, since in superseded.items() if name not in names}
        self._write(RetentionPlan(superseded=rest), read_plan(store, self.home)[1])
        failed += [f"{name}: {why}" for name, why in stuck.items()]
        return Kept(self.home, len(removed), sum(e.bytes for e in removed), len(due) - len(free), _told(failed))

    def look(self, retention: timedelta, now: datetime) -> tuple[list[Expired], dict[str, datetime], dict[str, str]]:
        """What is expired, by when each snapshot was superseded, and why partitions cannot be judged, and so stay."""
        store = self.lake.store
        # Pointers before files: what is published in between is young, and so stays.
        snapshots, broken = self.lake.readable(self.dataset)
        current = [f"{s.partition}/{s.snapshot}" for s in snapshots]
        entries = store.entries(f"{self.home}/")
        inventory = take_inventory((e for e in entries if not _is_in(e.path, self.home, broken)), self.home)
        superseded = inventory.superseded(current, read_plan(store, self.home)[0].superseded)
        return inventory.expired(superseded, retention, now), superseded, broken

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


def _delete(store: Store, expired: Sequence[Expired]) -> dict[str, str]:
    """By name of the snapshot, why one could not be deleted: what is left of it is for the next time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        done = pool.map(lambda each: attempt(partial(_delete_one, store, each)), expired)
        return {each.name: d.reason for each, d in zip(expired, done, strict=True) if isinstance(d, Failure)}


def _delete_one(store: Store, expired: Expired) -> None:
    for file in expired.files:
        store.delete(file.path)


def _is_in(path: str, home: str, partitions: Iterable[str]) -> bool:
    return any(path.startswith(f"{home}/{partition}/") for partition in partitions)


def _told(failed: Sequence[str]) -> str:
    return "; ".join(failed)[:2000]
