"""What of a dataset no reader will ask for again: superseded snapshots, and what writers left behind that died."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tasks.lake.snapshots.pointer import CURRENT
from tasks.lake.store import Entry
from tasks.retention_period import check_retention

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Expired:
    """A snapshot, `PARTITION/ID`, and its files."""

    name: str
    files: tuple[Entry, ...]

    @property
    def bytes(self) -> int:
        return sum(f.bytes for f in self.files)


@dataclass(frozen=True)
class Inventory:
    """A dataset's files by snapshot, and when each partition's pointer was written."""

    snapshots: Mapping[str, Sequence[Entry]]
    pointers: Mapping[str, datetime]

    def superseded(self, current: Iterable[str], known: Mapping[str, datetime]) -> dict[str, datetime]:
        """The snapshots that are not current, and by when they were not: as known, or by the pointer's last swap."""
        kept = frozenset(current)
        return {
            name: known.get(name) or self.pointers.get(name.rpartition("/")[0]) or _newest(files)
            for name, files in self.snapshots.items()
            if name not in kept
        }

    def expired(self, superseded: Mapping[str, datetime], retention: timedelta, now: datetime) -> list[Expired]:
        """Those that have been superseded, and their files unchanged, for the retention."""
        check_retention(retention)
        return [
            Expired(name, tuple(self.snapshots[name]))
            for name, since in superseded.items()
            if now - max(since, _begun(name), _newest(self.snapshots[name])) >= retention
        ]


def take_inventory(entries: Iterable[Entry], home: str) -> Inventory:
    """The files under `STATE/DATASET`. What is of no known kind is nobody's business, and left out."""
    snapshots: defaultdict[str, list[Entry]] = defaultdict(list)
    pointers: dict[str, datetime] = {}
    for entry in entries:
        folder, _, name = entry.path.removeprefix(f"{home}/").rpartition("/")
        if name == CURRENT:
            pointers[folder] = entry.modified
        elif name.startswith("part-") and _begun(folder) > _NEVER:
            snapshots[folder].append(entry)
    return Inventory(snapshots, pointers)


def _begun(snapshot: str) -> datetime:
    """When its writing began, which its id tells."""
    try:
        moment = snapshot.rpartition("/")[2].partition("-")[0]
        return datetime.strptime(moment, "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
    except ValueError:
        return _NEVER


def _newest(files: Sequence[Entry]) -> datetime:
    return max(e.modified for e in files)
