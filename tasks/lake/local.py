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

from tasks.errors import ConfigurationError, FatalError
from tasks.lake.store import Entry, Stored

_LOCKS = ".locks"


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
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh.replace(target)
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
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
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
