"""Files that others drop into the `landing` state. Each is taken once, and then put away.

landing/{folder/}{name}                what was dropped
landing/done/{folder/}{id}/{name}      what was taken, and beside it {name}.json: what became of it
landing/failed/{folder/}{id}/{name}    what could not be, and beside it {name}.json: why
landing/_claims/{hash}.json            who is taking a file at the moment

A file moves by copy and delete, after all that was made of it is in the lake. Whoever is killed in between leaves it
where it was: it is taken again, and comes to the same.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.lake.claim import Claims
from tasks.lake.store import Entry, Store

Shelf = Literal["done", "failed"]

LEASE = timedelta(minutes=2)
_UNFINISHED = (".part", ".filepart", ".tmp", ".crdownload")  # what programs call a file that they are still writing
_LITTER = {"desktop.ini", "thumbs.db"}  # of Windows' Explorer; what a Mac leaves begins with a dot
_CLAIMS = "landing/_claims"


class Landed(BaseModel):
    """A file as it was dropped. Dropped again it is another one, even with the same name and content."""

    model_config = ConfigDict(frozen=True)

    path: str  # below `landing/`
    bytes: int
    dropped: (
        datetime  # UTC, by the store: a file out of a ZIP archive is as old as its drop, whatever its own time says
    )

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """Below `landing/`, empty for a file in `landing/` itself."""
        return self.path.rpartition("/")[0]

    @property
    def id(self) -> str:
        """The same for whoever takes this drop, and unique."""
        digest = hashlib.sha256(f"{self.path} {self.dropped.isoformat()} {self.bytes}".encode()).hexdigest()
        return f"{self.dropped:%Y%m%dT%H%M%S}Z-{digest[:8]}"


class Landing:
    """`lease` is for how long a run that is not heard of any more keeps others from its file."""

    def __init__(
        self, store: Store, lease: timedelta = LEASE, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._claims = Claims(store, _CLAIMS, lease, clock)

    def waiting(self, patterns: Sequence[str] = ("*",)) -> list[Landed]:
        """The files to be taken whose path fits one of the patterns (`*.csv`, `acme/*`), in the order of their drop.

        Names that begin with a dot or an underscore, or end as those of unfinished files do, are nobody's business; nor
        is what Excel lays beside a file that is open in it (`~$...`)."""
        self._claims.forget_old()
        self._keep("landing")
        found = [_landed(entry) for entry in self._store.entries("landing/") if _is_dropped(entry)]
        wanted = [file for file in found if any(fnmatchcase(file.path, pattern) for pattern in patterns)]
        return sorted(wanted, key=lambda file: (file.dropped, file.path))

    @contextmanager
    def taking(self, file: Landed, run: str) -> Iterator[bool]:
        """Whether the file is this run's until the context ends, rather than another run's, or gone."""
        with self._claims.held(file.path, run) as mine:
            yield mine and self._is_there(file)

    def copy(self, file: Landed, target: Path) -> None:
        """Raises TransientError for a file that is gone, or changed while it was read: it is still being written."""
        with target.open("wb") as copy:
            for chunk in self._store.chunks(f"landing/{file.path}"):
                copy.write(chunk)

    def put_away(self, file: Landed, shelf: Shelf, note: bytes) -> None:
        """Moves the file, with the note beside it. One that was replaced meanwhile stays, for it is another one."""
        home = "/".join(part for part in ("landing", shelf, file.folder, file.id) if part)
        if self._is_there(file):
            self._copy_within(file, home)
        if self._size(home, file.name) is None:
            return  # another run, which took it too when this one was not heard of, has put it elsewhere
        self._note(f"{home}/{file.name}.json", note)
        if self._is_there(file):
            self._keep(f"landing/{file.folder}".rstrip("/"))
            self._store.delete(f"landing/{file.path}")

    def _copy_within(self, file: Landed, home: str) -> None:
        size = self._size(home, file.name)
        if size == file.bytes:
            return
        if size is not None:
            self._store.delete(f"{home}/{file.name}")  # of a run that was killed while it copied
        with self._store.create(f"{home}/{file.name}") as copy:
            for chunk in self._store.chunks(f"landing/{file.path}"):
                copy.write(chunk)

    def _keep(self, folder: str) -> None:
        """Else a folder of the file system goes with its last file, and with it the place to drop the next one."""
        self._store.swap(f"{folder}/.keep", b"", None)

    def _note(self, path: str, note: bytes) -> None:
        stored = self._store.read(path)
        self._store.swap(path, note, stored.etag if stored else None)

    def _is_there(self, file: Landed) -> bool:
        folder = f"landing/{file.folder}/" if file.folder else "landing/"
        return any(_landed(entry) == file for entry in self._store.entries(folder))

    def _size(self, home: str, name: str) -> int | None:
        return next((e.bytes for e in self._store.entries(f"{home}/") if e.path == f"{home}/{name}"), None)


def _landed(entry: Entry) -> Landed:
    dropped = max(entry.modified, entry.arrived or entry.modified)
    return Landed(path=entry.path.removeprefix("landing/"), bytes=entry.bytes, dropped=dropped)


def _is_dropped(entry: Entry) -> bool:
    parts = entry.path.split("/")[1:]
    return (
        parts[0] not in ("done", "failed")
        and not any(part.startswith((".", "_")) for part in parts)
        and not parts[-1].startswith("~$")
        and not parts[-1].lower().endswith(_UNFINISHED)
        and parts[-1].lower() not in _LITTER
    )
