"""A snapshot that is current, and of which a file is gone: removed by hand, or not put back with the others."""

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.errors import FatalError
from tasks.lake.snapshots.pointer import CURRENT, read_pointer
from tasks.lake.snapshots.reference import SnapshotRef
from tasks.lake.store import Store


class DamagedError(FatalError):
    """A file of a current snapshot is gone."""


def gone_files(store: Store, snapshot: SnapshotRef) -> list[str]:
    """The files of a snapshot that are gone although it is current."""
    home = _home(snapshot)
    there = {entry.path for entry in store.entries(f"{home}/{snapshot.snapshot}/")}
    gone = sorted(set(snapshot.files) - there)
    current = read_pointer(store, home)[0] if gone else None
    return gone if current and current.snapshot == snapshot.snapshot else []


def damaged(snapshot: SnapshotRef, gone: list[str]) -> DamagedError:
    return DamagedError(
        f"{_home(snapshot)} has lost {len(gone)} of the {len(snapshot.files)} files of its current snapshot, the first "
        f"is {gone[0]}. Put it back from a copy of the lake; or let `python -m flows.reconcile` make it anew."
    )


@contextmanager
def told(store: Store, snapshot: SnapshotRef | None) -> Iterator[None]:
    """Raises DamagedError where something failed because a file of this snapshot is gone."""
    try:
        yield
    except Exception as error:
        if snapshot and (gone := gone_files(store, snapshot)):
            raise damaged(snapshot, gone) from error
        raise


def forget(store: Store, snapshot: SnapshotRef) -> None:
    """Makes a partition one that was never published, for it is made anew. No run may be writing it."""
    store.delete(f"{_home(snapshot)}/{CURRENT}")


def _home(snapshot: SnapshotRef) -> str:
    return f"{snapshot.state}/{snapshot.dataset}/{snapshot.partition}"
