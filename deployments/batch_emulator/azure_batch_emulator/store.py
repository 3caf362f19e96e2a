"""Where an account survives: nowhere, or in an SQLite file that is written shortly after each change."""

import asyncio
import logging
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from filelock import BaseFileLock, FileLock, Timeout

from azure_batch_emulator.engine.state import Store
from azure_batch_emulator.protocol.call import JsonObject
from azure_batch_emulator.protocol.times import moment

logger = logging.getLogger(__name__)

_AGAIN = 5.0  # real seconds until what could not be written is tried again
_SCHEMA = """
create table if not exists resources (kind text, key text, document blob, primary key (kind, key)) without rowid;
create table if not exists facts (name text primary key, value text) without rowid;
"""
# Urls of resources, which the next start serves at another address; those that users gave have other names.
_OWN_URL = re.compile(
    r'("(?:url|nodeUrl|taskUrl|taskRootDirectoryUrl)":")https?://[^/"]+(/(?:pools|jobs|jobschedules)/)'
)
_TIME = re.compile(r'"(?:stateTransitionTime|lastModified)":"([^"]+)"')


def open_store(directory: Path | None) -> Store:
    """None: in memory only."""
    return MemoryStore() if directory is None else SqliteStore(directory)


class MemoryStore:
    """Keeps nothing: what is in memory is all there is."""

    def changed(self, kind: str, key: str, document: Callable[[], JsonObject] | None) -> None:
        """Nothing to do."""

    def load(self, base_url: str) -> Mapping[str, Sequence[JsonObject]]:  # noqa: ARG002 - as any store
        return {}

    def last_seen(self) -> datetime | None:
        return None

    def close(self, now: datetime) -> None:
        """Nothing to do."""


class SqliteStore:
    """`emulator.db` in a directory. What changes on one turn of the loop is written in one transaction.

    What cannot be written (the disk is full) is kept and tried again. Raises: OSError where another emulator has the
    directory, sqlite3.Error where it cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._lock = _locked(directory)
        self._connection = sqlite3.connect(directory / "emulator.db", isolation_level=None)
        self._connection.execute("pragma journal_mode=wal")
        self._connection.execute("pragma synchronous=normal")
        self._connection.executescript(_SCHEMA)
        self._dirty: dict[tuple[str, str], Callable[[], JsonObject] | None] = {}

    def changed(self, kind: str, key: str, document: Callable[[], JsonObject] | None) -> None:
        """The document is asked for when it is written; None takes it out."""
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._write)
        self._dirty[kind, key] = document

    def load(self, base_url: str) -> Mapping[str, Sequence[JsonObject]]:
        found: dict[str, list[JsonObject]] = defaultdict(list)
        for kind, document in self._documents():
            found[kind].append(msgspec.json.decode(_OWN_URL.sub(rf"\g<1>{base_url}\g<2>", document)))
        return found

    def last_seen(self) -> datetime | None:
        closed = [
            datetime.fromisoformat(value) for (value,) in self._rows("select value from facts where name = 'now'")
        ]
        # After a crash there is only what happened last.
        changes = [moment(each) for _, document in self._documents() for each in _TIME.findall(document)]
        return max([*closed, *changes], default=None)

    def close(self, now: datetime) -> None:
        try:
            self._put(self._dirty)
            self._connection.execute("insert or replace into facts values ('now', ?)", (now.isoformat(),))
        except sqlite3.Error as error:
            logger.warning("The last %s changes are not in %s: %s.", len(self._dirty), self._directory, error)
        self._connection.close()
        self._lock.release()

    def _write(self) -> None:
        dirty, self._dirty = self._dirty, {}
        try:
            self._put(dirty)
        except sqlite3.Error as error:
            self._dirty = dirty
            logger.warning("Changes could not be written to %s (%s). They are tried again.", self._directory, error)
            asyncio.get_running_loop().call_later(_AGAIN, self._write)

    def _put(self, dirty: Mapping[tuple[str, str], Callable[[], JsonObject] | None]) -> None:
        if not dirty:
            return
        with self._connection:
            self._connection.execute("begin")
            for (kind, key), document in dirty.items():
                if document is None:
                    self._connection.execute("delete from resources where kind = ? and key = ?", (kind, key))
                else:
                    values = (kind, key, msgspec.json.encode(document()))
                    self._connection.execute("insert or replace into resources values (?, ?, ?)", values)

    def _documents(self) -> list[tuple[str, str]]:
        return [(kind, document.decode()) for kind, document in self._rows("select kind, document from resources")]

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(self._connection.execute(query)) as rows:
            return rows.fetchall()


def _locked(directory: Path) -> BaseFileLock:
    """Held until it is released: two emulators would end each other's tasks and overwrite each other's resources."""
    lock = FileLock(
        directory / "emulator.lock", blocking=False, thread_local=False, fallback_to_soft=False, preserve_lock_file=True
    )
    try:
        lock.acquire()
    except Timeout:
        raise OSError(
            f"Another emulator keeps its state in {directory}. Stop it, or choose another folder with --state."
        ) from None
    return lock
