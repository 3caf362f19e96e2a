"""A lake in a local folder. Compare-and-swap holds between processes: an exclusive lock, then an atomic rename."""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from tasks.errors import ConfigurationError, FatalError, TransientError
from tasks.lake.store import Entry, Stored

_LOCKS = ".locks"
_CHUNK = 8 << 20  # bytes
_VANISHINGS = 100  # of a folder, one after the other, before that is an error


class LocalStore:
    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        with _explained(self._root):
            (self._root / _LOCKS).mkdir(parents=True, exist_ok=True)

    def read(self, path: str) -> Stored | None:
        with _explained(self._root / path):
            try:
                data = (self._root / path).read_bytes()
            except FileNotFoundError:
                return None
        return Stored(data, hashlib.sha256(data).hexdigest())

    def chunks(self, path: str) -> Iterator[bytes]:
        target = self._root / path
        try:
            with _explained(target, FileNotFoundError), target.open("rb") as file:
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
        with _explained(target), self._locked(path) as lock:
            current = self.read(path)
            if (current.etag if current else None) != etag:
                return False
            fresh = lock.with_suffix(".new")
            with fresh.open("wb") as file:
                file.write(data)
                _flush(file)
            _put_in_place(fresh, target)
            _flush_folder(target.parent)
            return True

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        target = self._root / path
        with _explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            opened = _opened(target)
            try:
                with opened as file:
                    yield file
                    _flush(file)
            except BaseException:
                target.unlink(missing_ok=True)
                _remove_empty(target.parent)
                raise
            _flush_folder(target.parent)

    def entries(self, prefix: str) -> Iterator[Entry]:
        walked = os.walk(self._root / prefix, onerror=_raise_unless_gone)
        paths = (Path(folder, name).relative_to(self._root).as_posix() for folder, _, names in walked for name in names)
        with _explained(self._root / prefix):
            for path in sorted(paths):
                try:
                    status = (self._root / path).stat()
                except FileNotFoundError:
                    continue  # deleted by another process meanwhile
                yield Entry(path, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def delete(self, path: str) -> None:
        target = self._root / path
        with _explained(target):
            target.unlink(missing_ok=True)
            _remove_empty(target.parent)

    def url(self, path: str) -> str:
        return str(self._root / path)

    @property
    def storage_options(self) -> None:
        return None

    @property
    def credential_provider(self) -> None:
        return None

    @contextmanager
    def _locked(self, path: str) -> Iterator[Path]:
        # The kernel lets go of the lock when its holder dies.
        lock = self._root / _LOCKS / hashlib.sha256(path.encode()).hexdigest()[:2]
        with lock.open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield lock


@contextmanager
def _explained(path: Path, leaving: type[OSError] | tuple[()] = ()) -> Iterator[None]:
    try:
        yield
    except leaving:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FatalError(
                f"The disk is full: {path} could not be written ({_free(path)} bytes are free). Free some space and "
                "start the run again; what was published before is whole."
            ) from error
        raise ConfigurationError(
            f"The lake cannot be used: {path}: {error.strerror or error}. Point ETL_LAKE_URL at a folder that this "
            "user may read and write."
        ) from error


def _put_in_place(fresh: Path, target: Path) -> None:
    for vanished in range(_VANISHINGS):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh.replace(target)
        except (FileNotFoundError, FileExistsError):
            # Who deletes the last file of a folder removes the folder, also one that was made or found a moment ago.
            if vanished + 1 == _VANISHINGS:
                raise
        else:
            return


def _opened(target: Path) -> BinaryIO:
    try:
        return target.open("xb")
    except FileExistsError:
        raise FatalError(f"{target} is in the lake already, and its files never change. Run again.") from None


def _free(path: Path) -> int:
    return shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.ENOENT, errno.EEXIST):
            raise
