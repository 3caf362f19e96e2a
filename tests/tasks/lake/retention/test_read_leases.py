"""Conformance: what is being read stays, whoever reads it, and whenever that begins."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from tasks.errors import TransientError
from tasks.lake import Lake, open_lake
from tasks.lake.retention.housekeeping import Kept
from tasks.lake.retention.read_leases import RetentionPlan, plan_path, read_lease
from tasks.lake.store import Store
from tests.tasks.lake.examples import READINGS
from tests.tasks.lake.retention.tidying import HOME, publish, tidy

PATIENCE = 60  # seconds for another process


def test_what_is_being_read_stays_until_that_ends(lake: Lake) -> None:
    old = publish(lake, 1.0)
    with read_lease(lake, READINGS, [old]) as frame:
        publish(lake, 2.0)

        assert tidy(lake) == Kept(HOME, 0, 0, being_read=1)
        assert frame.collect()["value"].to_list() == [1.0]
    assert tidy(lake).removed == 1


def test_marks_come_and_go_in_a_folder_that_nobody_else_keeps(store: Store) -> None:
    """A folder on a disk goes with its last file, also when another file is about to come into it."""

    def come_and_go(name: int) -> int:
        path = f"{HOME}/_readers/{name}.json"
        done = 0
        for _ in range(40):
            done += store.swap(path, b"{}", None)
            store.delete(path)
        return done

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(come_and_go, range(8))) == [40] * 8
    assert list(store.entries(f"{HOME}/_readers/")) == []


@contextmanager
def reader(url: str, lease: float) -> "Iterator[subprocess.Popen[str]]":
    """Another process that reads the current snapshot until a line arrives on its standard input."""
    script = f"from {__name__} import read_until_told; read_until_told({url!r}, {lease})"
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_until_told(url: str, lease: float) -> None:
    """What the other process does."""
    lake = open_lake(url)
    with read_lease(lake, READINGS, lake.partitions(READINGS), timedelta(seconds=lease)) as frame:
        say("reading")
        sys.stdin.readline()
        say(str(frame.collect()["value"].to_list()))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def test_what_another_process_reads_stays_until_that_ends(lake: Lake, lake_url: str) -> None:
    publish(lake, 1.0)
    with reader(lake_url, lease=PATIENCE) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "reading\n"
        publish(lake, 2.0)

        assert tidy(lake).being_read == 1
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "[1.0]\n"
        assert process.wait(PATIENCE) == 0
    assert tidy(lake).removed == 1


def test_a_reader_renews_its_mark_and_a_dead_one_does_not(lake: Lake, lake_url: str) -> None:
    lease = 4.0
    publish(lake, 1.0)
    with reader(lake_url, lease) as process:
        assert process.stdout
        assert process.stdout.readline() == "reading\n"
        publish(lake, 2.0)
        (mark,) = lake.store.entries(f"{HOME}/_readers/")
        until(lambda: next(iter(lake.store.entries(f"{HOME}/_readers/"))).modified > mark.modified)
        assert tidy(lake).being_read == 1

        process.kill()
        process.wait()
        until(lambda: tidy(lake).removed == 1)
    assert list(lake.store.entries(f"{HOME}/_readers/")) == []


def test_a_reader_that_comes_after_the_plan_is_sent_away(lake: Lake) -> None:
    old = publish(lake, 1.0)
    publish(lake, 2.0)
    name = f"p/{old.snapshot}"
    lake.store.swap(plan_path(HOME), RetentionPlan(removing=frozenset({name})).model_dump_json().encode(), None)

    with pytest.raises(TransientError, match="Read the current ones"), read_lease(lake, READINGS, [old]):
        pytest.fail("it reads")
    assert list(lake.store.entries(f"{HOME}/_readers/")) == []


def test_a_reader_that_comes_after_the_removal_is_sent_away(lake: Lake) -> None:
    old = publish(lake, 1.0)
    publish(lake, 2.0)
    tidy(lake)

    with pytest.raises(TransientError, match="Read the current ones"), read_lease(lake, READINGS, [old]):
        pytest.fail("it reads")


class Interrupted:
    """A store that lets something happen just before, or just after, housekeeping writes its plan."""

    def __init__(self, store: Any, before: Callable[[], None], after: Callable[[], None]) -> None:
        self._store, self._before, self._after = store, before, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def swap(self, path: str, data: bytes, etag: str | None) -> bool:
        removes = path == plan_path(HOME) and RetentionPlan.model_validate_json(data).removing
        if removes:
            self._before()
        done: bool = self._store.swap(path, data, etag)
        if removes:
            self._after()
        return done


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_reader_that_comes_while_housekeeping_begins_reads_all_or_nothing(lake: Lake, before: bool) -> None:  # noqa: FBT001
    old = publish(lake, 1.0)
    publish(lake, 2.0)
    contexts = [read_lease(lake, READINGS, [old])]
    outcome: list[Any] = []

    def read() -> None:
        try:
            outcome.append(contexts[0].__enter__())
        except TransientError as error:
            outcome.append(error)

    idle: Callable[[], None] = lambda: None  # noqa: E731
    store: Any = Interrupted(lake.store, *((read, idle) if before else (idle, read)))
    kept = tidy(Lake(store))

    if before:
        assert kept.being_read == 1
        assert outcome[0].collect()["value"].to_list() == [1.0]
        contexts[0].__exit__(None, None, None)
    else:
        assert isinstance(outcome[0], TransientError)
        assert kept.removed == 1


def until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline
