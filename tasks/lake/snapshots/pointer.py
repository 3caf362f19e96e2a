"""The pointer of a partition, `_current.json`: it names the snapshot that readers see, and is swapped atomically."""

import secrets
from datetime import datetime, timedelta

from tasks.lake.snapshots.names import check_apart
from tasks.lake.snapshots.reference import SnapshotRef
from tasks.lake.store import Store

CURRENT = "_current.json"


def read_pointer(store: Store, partition: str) -> tuple[SnapshotRef | None, str | None]:
    """The snapshot that is current in a partition, `STATE/DATASET/PARTITION`, and the tag of its pointer.

    Raises ConfigurationError where the folder is another partition's, whose name a disk takes for the same."""
    stored = store.read(f"{partition}/{CURRENT}")
    if stored is None:
        return None, None
    found = SnapshotRef.model_validate_json(stored.data)
    check_apart(partition, [f"{found.state}/{found.dataset}/{found.partition}"])
    return found, stored.etag


def swap_pointer(store: Store, snapshot: SnapshotRef, etag: str | None) -> bool:
    """Makes a snapshot the current one if the pointer still has this tag. False: somebody else was first."""
    path = f"{snapshot.state}/{snapshot.dataset}/{snapshot.partition}/{CURRENT}"
    return store.swap(path, snapshot.model_dump_json(indent=1).encode(), etag)


def new_snapshot(after: SnapshotRef | None, now: datetime) -> tuple[str, datetime]:
    """An id that nobody else has, and the time that it tells: later than that of the snapshot before, if there is one.

    Clocks of nodes differ, and yet the ids of a partition's snapshots are in order."""
    created = max(now, after.created + timedelta(microseconds=1)) if after else now
    return f"{created:%Y%m%dT%H%M%S%f}Z-{secrets.token_hex(4)}", created
