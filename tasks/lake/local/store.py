"""A lake in a local folder. Compare-and-swap holds between processes: an exclusive lock, then an atomic rename."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from tasks import files
from tasks.errors import FatalError, TransientError
from tasks.lake.local.errors import explained
from tasks.lake.store import Entry, Stored

_LOCKS = ".locks"  # beside the states, so that it is no data; 256 files at most, which stay
_QUEUE = 12  # processes that may hold a lock one after the other before ours, each as patient as we are
_LOOK = 0.005  # seconds
_CHUNK = 8 << 20  # bytes
_VANISHINGS = 100  # of a folder, one after the other, before that is an error


class LocalStore:
    """`patience`: seconds for another program to close a file that is to be replaced or deleted, on Windows."""

    def __init__(self, root: Path, patience: float = files.PATIENCE) -> None:
        self._root = root.absolute()
        self._patience = patience
        with explained(self._root):
            (self._root / _LOCKS).mkdir(parents=True, exist_ok=True)

    def read(self, path: str) -> Stored | None:
        with explained(self._root / path):
            try:
                data = files.patiently((self._root / path).read_bytes, files.BRIEF)
            except FileNotFoundError:
                return None
        return Stored(data, hashlib.sha256(data).hexdigest())

    def chunks(self, path: str) -> Iterator[bytes]:
        target = self._root / path
        try:
            with explained(target, FileNotFoundError), files.patiently(lambda: target.open("rb"), files.BRIEF) as file:
                begun = os.fstat(file.fileno())
                while chunk := file.read(_CHUNK):
                    yield chunk
                ended = target.stat()
        except FileNotFoundError:
            raise TransientError(f"There is no file {target}, or no longer. Run again.") from None
        if (begun.st_ino, begun.st_size, begun.st_mtime_ns) != (ended.st_ino, ended.st_size, ended.st_mtime_ns):
            raise TransientError(f"{target} was changed while it was read. Run again when it is complete.")

    def swap(self, path: str, data: bytes, etag: str | None) -> bool:
        target = self._root / path
        with explained(target), self._locked(path) as lock:
            current = self.read(path)
            if (current.etag if current else None) != etag:
                return False
            fresh = lock.with_suffix(".new")
            with fresh.open("wb") as file:
                file.write(data)
                _flush(file)
            self._put_in_place(fresh, target)
            files.flush_folder(target.parent)
            return True

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        target = self._root / path
        with explained(target):
            _make(target.parent)
            opened = _opened(target)
            try:
                with opened as file:
                    yield file
                    _flush(file)
            except BaseException:
                target.unlink(missing_ok=True)
                _remove_empty(target.parent)
                raise
            files.flush_folder(target.parent)

    def entries(self, prefix: str) -> Iterator[Entry]:
        walked = os.walk(self._root / prefix, onerror=_raise_unless_gone)
        paths = (Path(folder, name).relative_to(self._root).as_posix() for folder, _, names in walked for name in names)
        with explained(self._root / prefix):
            for path in sorted(paths):
                try:
                    status = (self._root / path).stat()
                except FileNotFoundError:
                    continue  # deleted by another process meanwhile
                modified, arrived = (datetime.fromtimestamp(t, UTC) for t in (status.st_mtime, status.st_ctime))
                yield Entry(path, status.st_size, modified, arrived)

    def delete(self, path: str) -> None:
        target = self._root / path
        with explained(target):
            files.patiently(lambda: target.unlink(missing_ok=True), self._patience)
            _remove_empty(target.parent)

    def url(self, path: str) -> str:
        return str(self._root / path)

    @property
    def storage_options(self) -> None:
        return None

    @property
    def credential_provider(self) -> None:
        return None

    def _put_in_place(self, fresh: Path, target: Path) -> None:
        for vanished in range(_VANISHINGS):
            try:
                _make(target.parent)
                files.replace(fresh, target, self._patience)
            except (FileNotFoundError, FileExistsError):
                # Who deletes the last file of a folder removes the folder, also one that was made a moment ago.
                if vanished + 1 == _VANISHINGS:
                    raise
            else:
                return

    @contextmanager
    def _locked(self, path: str) -> Iterator[Path]:
        # The system lets go of the lock when its holder dies. What has no such locks is no place for a lake.
        place = self._root / _LOCKS / hashlib.sha256(path.encode()).hexdigest()[:2]
        longest = _QUEUE * self._patience
        lock = FileLock(place, longest, poll_interval=_LOOK, fallback_to_soft=False, preserve_lock_file=True)
        try:
            with lock:
                yield place
        except Timeout:
            raise TransientError(
                f"Another process has held the lock {place} for {longest:.0f} s. End it, if it hangs, and run again."
            ) from None


def _make(folder: Path) -> None:
    files.patiently(lambda: folder.mkdir(parents=True, exist_ok=True), files.BRIEF)


def _opened(target: Path) -> BinaryIO:
    try:
        return target.open("xb")
    except FileExistsError:
        raise FatalError(f"{target} is in the lake already, and its files never change. Run again.") from None


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.ENOENT, errno.EEXIST) and not files.is_in_use(error):
            raise
