"""Leases of readers: they say that snapshots are being read, so that housekeeping leaves them for as long as that
takes, on any machine.

A reader writes its mark, and then looks whether housekeeping is about to remove what it reads. Housekeeping writes
what it is about to remove, and then looks for marks. Whichever comes second sees the other. A mark counts while its
reader renews it, by the store's clock alone; a reader that died stops renewing.
"""

import logging
import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta

import polars as pl
from pydantic import BaseModel, ConfigDict

from tasks.datasets import Dataset
from tasks.errors import EtlError, TransientError
from tasks.lake.damage import damaged, gone_files
from tasks.lake.lake import Lake
from tasks.lake.snapshots.reference import SnapshotRef
from tasks.lake.store import Store

LEASE = timedelta(minutes=10)
_AT_ONCE = 8
_log = logging.getLogger(__name__)


class RemovedError(TransientError):
    """A snapshot was removed before it could be read."""


class ReadLease(BaseModel):
    """What one reader reads: snapshots as `PARTITION/ID`. It counts for so many seconds after it was last written."""

    model_config = ConfigDict(frozen=True)

    snapshots: frozenset[str]
    seconds: float


class RetentionPlan(BaseModel):
    """What housekeeping knows of a dataset: by when each snapshot was superseded, and which ones it is removing."""

    model_config = ConfigDict(frozen=True)

    superseded: dict[str, datetime] = {}
    removing: frozenset[str] = frozenset()


@contextmanager
def read_lease(
    lake: Lake, dataset: Dataset, snapshots: Iterable[SnapshotRef], lease: timedelta = LEASE
) -> Iterator[pl.LazyFrame]:
    """The rows of these snapshots, lazily; no file of them is removed before the context ends.

    For reads that may last longer than the retention of `housekeep`, or must not fail whatever it is: a shorter read is
    safe without. Raises RemovedError when housekeeping has removed one of the snapshots, or is about to, and
    DamagedError when a file of one that is current is gone."""
    wanted = list(snapshots)
    if not wanted:
        yield lake.read(dataset, [])
        return
    home = home_of(dataset)
    lease_file = ReadLease(
        snapshots=frozenset(f"{s.partition}/{s.snapshot}" for s in wanted), seconds=lease.total_seconds()
    )
    path = f"{home}/_readers/{secrets.token_hex(8)}.json"
    _write(lake.store, path, lease_file)
    try:
        if gone := read_plan(lake.store, home)[0].removing & lease_file.snapshots or _removed(lake, dataset, wanted):
            for snapshot in wanted:
                if files := gone_files(lake.store, snapshot):
                    raise damaged(snapshot, files)
            raise RemovedError(f"Housekeeping removes snapshots of {home}: {sorted(gone)}. Read the current ones.")
        with _renewed(lake.store, path, lease_file):
            yield lake.read(dataset, wanted)
    finally:
        lake.store.delete(path)


def leased(store: Store, home: str, now: datetime) -> frozenset[str]:
    """The snapshots of a dataset that are being read at `now`, a time by the store's clock. Dead readers' marks go."""
    found: set[str] = set()
    for entry in list(store.entries(f"{home}/_readers/")):
        stored = store.read(entry.path)
        if stored is None:
            continue
        lease_file = ReadLease.model_validate_json(stored.data)
        if now - entry.modified <= timedelta(seconds=lease_file.seconds):
            found |= lease_file.snapshots
        else:
            store.delete(entry.path)
    return frozenset(found)


def read_plan(store: Store, home: str) -> tuple[RetentionPlan, str | None]:
    """What housekeeping last wrote of a dataset, and its tag."""
    stored = store.read(plan_path(home))
    return (RetentionPlan.model_validate_json(stored.data), stored.etag) if stored else (RetentionPlan(), None)


def plan_path(home: str) -> str:
    return f"{home}/_housekeeping/plan.json"


def home_of(dataset: Dataset) -> str:
    return f"{dataset.state}/{dataset.name}"


def _removed(lake: Lake, dataset: Dataset, snapshots: Sequence[SnapshotRef]) -> list[str]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda s: lake.find(dataset, s.partition, s.snapshot), snapshots)
        there = zip(snapshots, found, strict=True)
        return [f"{s.partition}/{s.snapshot}" for s, files in there if not set(s.files) <= set(files)]


@contextmanager
def _renewed(store: Store, path: str, lease_file: ReadLease) -> Iterator[None]:
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(lease_file.seconds / 4):
            try:
                _write(store, path, lease_file)
            except EtlError as error:
                # Tried again in a moment. Reading goes on: should the files go after all, that fails by itself.
                _log.warning("The mark of a reader could not be renewed: %s", error)

    thread = threading.Thread(target=renew, name="lake-reading", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _write(store: Store, path: str, lease_file: ReadLease) -> None:
    stored = store.read(path)
    store.swap(path, lease_file.model_dump_json().encode(), stored.etag if stored else None)
