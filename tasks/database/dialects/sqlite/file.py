"""The file of a SQLite database: where it is, whether it can be there, and who holds its locks.

It is never opened here: closing a file drops every lock that the process holds on it, those of an open database too
(sqlite.org/howtocorrupt.html, 2.2).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from tasks.errors import ConfigurationError
from tasks.files import local_path

_LOCKS = Path("/proc/locks")  # of Linux


def prepared(url: sa.URL) -> Path:
    """The absolute path of the URL's file, its folder made. Raises ConfigurationError."""
    if not url.database or url.database == ":memory:" or url.host or url.username:
        raise ConfigurationError(
            "ETL_WAREHOUSE_URL names no SQLite file. Give sqlite:///relative/file.sqlite, or four slashes for "
            "an absolute path."
        )
    if url.query:
        raise ConfigurationError(
            f"ETL_WAREHOUSE_URL has parameters that SQLite does not take: {', '.join(url.query)}. "
            "It takes lock_timeout."
        )
    path = local_path(url.database).absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder {path.parent} of the warehouse cannot be made: {error.strerror}. "
            "Point ETL_WAREHOUSE_URL at a folder that this user may write."
        ) from error
    _check(path)
    return path


def _check(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise ConfigurationError(
            f"The warehouse {path} is not a file. Point ETL_WAREHOUSE_URL at a file in that folder."
        )
    if not path.exists() and not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"The warehouse {path} is not there, and its folder may not be written. "
            "Point ETL_WAREHOUSE_URL at a folder that this user may write."
        )
    if path.exists() and not os.access(path, os.R_OK):
        raise ConfigurationError(
            f"The warehouse {path} may not be read by this user. Change its owner or mode, or ETL_WAREHOUSE_URL."
        )


def lock_holders(path: Path) -> list[str]:
    """The processes that hold a lock on the database, such as `process 4711 (python3)`; empty where none is told."""
    files = [path, path.with_name(f"{path.name}-shm")]  # with a write-ahead log, the locks are on the second
    try:
        lines = _LOCKS.read_text(encoding="utf-8").splitlines()
        inodes = {str(file.stat().st_ino) for file in files if file.exists()}
    except OSError:
        return []
    # 1: POSIX  ADVISORY  WRITE 4711 08:01:1234567 1073741825 1073741825
    fields = (line.split() for line in lines)
    holders = {f[4] for f in fields if len(f) > 5 and f[5].rpartition(":")[2] in inodes}
    return sorted(_described(holders))


def _described(processes: set[str]) -> Iterator[str]:
    for process in processes:
        try:
            name = Path("/proc", process, "comm").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            name = "unknown"
        yield f"process {process} ({'this one' if process == str(os.getpid()) else name})"
