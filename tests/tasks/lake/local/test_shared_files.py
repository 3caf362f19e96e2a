"""A lake in a folder, with others at its files: readers that have one open, as on Windows, and holders of its locks."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.errors import TransientError
from tasks.lake import Lake
from tasks.lake.local.store import LocalStore
from tests.shared_files import SharedFiles, shared_files
from tests.tasks.lake.examples import READINGS, change, readings

__all__ = ["shared_files"]

PATH = "curated/readings/p/_current.json"
_HOLD = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def closing_when_refused(path: Path, shared: SharedFiles) -> Iterator[None]:
    """Has the file open until somebody had to wait for it."""

    def close() -> None:
        shared.refused.wait(30)
        file.close()

    with path.open("rb") as file:
        reader = threading.Thread(target=close)
        reader.start()
        yield
        reader.join()


@contextmanager
def holding(lock: Path) -> "Iterator[subprocess.Popen[str]]":
    """Another process that has the lock."""
    command = [sys.executable, "-c", _HOLD, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_pointer_is_replaced_once_its_reader_has_closed_it(tmp_path: Path, shared_files: SharedFiles) -> None:
    store = LocalStore(tmp_path)
    assert store.swap(PATH, b"one", None)
    one = store.read(PATH)
    assert one
    with closing_when_refused(tmp_path / PATH, shared_files):
        assert store.swap(PATH, b"two", one.etag)

    assert shared_files.refused.is_set()
    assert (tmp_path / PATH).read_bytes() == b"two"


def test_a_file_is_deleted_once_its_reader_has_closed_it(tmp_path: Path, shared_files: SharedFiles) -> None:
    store = LocalStore(tmp_path)
    assert store.swap(PATH, b"one", None)
    with closing_when_refused(tmp_path / PATH, shared_files):
        store.delete(PATH)

    assert shared_files.refused.is_set()
    assert list(store.entries("curated/")) == []


def test_a_file_that_stays_open_elsewhere_is_named_and_stays_as_it_was(
    tmp_path: Path, shared_files: SharedFiles
) -> None:
    store = LocalStore(tmp_path, patience=0.1)
    lake = Lake(store)
    published = lake.update(READINGS, "p", lambda _: change(readings(1.0)), "run")
    told = r"Another program has .*_current\.json open\. Close it there, and run again"
    with (tmp_path / PATH).open("rb"):
        with pytest.raises(TransientError, match=told):
            lake.update(READINGS, "p", lambda _: change(readings(2.0)), "run")
        with pytest.raises(TransientError, match=told):
            store.delete(PATH)

    assert lake.current(READINGS, "p") == published
    lake.update(READINGS, "p", lambda _: change(readings(2.0)), "run")
    assert lake.read(READINGS, lake.partitions(READINGS)).collect()["value"].to_list() == [2.0]


def test_who_is_killed_holds_no_lock(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, patience=0.05)
    assert store.swap(PATH, b"one", None)
    one = store.read(PATH)
    assert one
    (lock,) = (path for path in (tmp_path / ".locks").iterdir() if not path.suffix)
    with holding(lock) as holder:
        with pytest.raises(TransientError, match=rf"held the lock .*{lock.name} for 1 s\. End it, if it hangs"):
            store.swap(PATH, b"two", one.etag)
        holder.kill()
        holder.wait()
        assert store.swap(PATH, b"two", one.etag)


def test_locks_are_no_data_and_few(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for number in range(40):
        assert store.swap(f"curated/readings/{number}/_current.json", b"{}", None)

    # Two hexadecimal digits: 256 at most, however many partitions there are.
    assert all(re.fullmatch("[0-9a-f]{2}", path.name) for path in (tmp_path / ".locks").iterdir())
    assert len(list(store.entries("curated/"))) == 40
