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
        try:
            data = (self._root / path).read_bytes()
        except FileNotFoundError:
            return None
        return Stored(data, _etag(data))

    def swap(self, path: str, data: bytes, etag: str | None) -> bool:
        target = self._root / path
        with _explained(target), self._locked(path):
            current = self.read(path)
            if (current.etag if current else None) != etag:
                return False
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh = target.with_name(f"{target.name}.new")
            with fresh.open("wb") as file:
                file.write(data)
                _flush(file)
            fresh.replace(target)
            _flush_folder(target.parent)
            return True

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        target = self._root / path
        with _explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with target.open("xb") as file:
                    yield file
                    _flush(file)
            except BaseException:
                target.unlink(missing_ok=True)
                _remove_empty(target.parent)
                raise
            _flush_folder(target.parent)

    def entries(self, prefix: str) -> Iterator[Entry]:
        for path in sorted((self._root / prefix).rglob("*")):
            if path.is_file():
                status = path.stat()
                modified = datetime.fromtimestamp(status.st_mtime, UTC)
                yield Entry(path.relative_to(self._root).as_posix(), status.st_size, modified)

    def delete(self, path: str) -> None:
        target = self._root / path
        target.unlink(missing_ok=True)
        _remove_empty(target.parent)

    def url(self, path: str) -> str:
        return str(self._root / path)

    @property
    def storage_options(self) -> None:
        return None

    @contextmanager
    def _locked(self, path: str) -> Iterator[None]:
        # The kernel lets go of the lock when its holder dies.
        name = hashlib.sha256(path.encode()).hexdigest()[:2]
        with (self._root / _LOCKS / name).open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise FatalError(
                f"The disk is full: {path} could not be written ({_free(path)} bytes are free). Free some space and start "
                "the run again; what was published before is whole."
            ) from error
        if error.errno in (
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.ENOTDIR,
            errno.EEXIST,
            errno.ENAMETOOLONG,
        ):
            raise ConfigurationError(
                f"The lake cannot be written: {path}: {error.strerror}. Point ETL_LAKE_URL at a folder that this user may write."
            ) from error
        raise


def _free(path: Path) -> int:
    return shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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
