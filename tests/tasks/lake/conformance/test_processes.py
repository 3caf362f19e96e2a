"""Conformance: many processes at one partition, some of which die."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import polars as pl
import pytest

from tasks.datasets import PRICES
from tasks.lake import Lake, open_lake
from tests.tasks.lake.examples import READINGS, change, readings
from tests.tasks.lake.program import SENSORS

GIB = 1024 * 1024  # in KiB


@contextmanager
def running(*arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """The program with these arguments, killed at the end if it is still there."""
    command = [sys.executable, "-m", "tests.tasks.lake.program", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def start(process: "subprocess.Popen[str]") -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def rows(lake: Lake) -> pl.DataFrame:
    current = lake.current(READINGS, "p")
    return lake.read(READINGS, [current] if current else []).collect()


def parts(lake: Lake) -> int:
    return sum(e.path.endswith(".parquet") for e in lake.store.entries("curated/readings/p/"))


def test_sixteen_processes_lose_nothing_and_come_one_after_the_other(lake: Lake, lake_url: str) -> None:
    with ExitStack() as stack:
        writers = [stack.enter_context(running("add", lake_url, f"w{n:02}", "4")) for n in range(16)]
        assert [line(w) for w in writers] == ["ready"] * 16
        for writer in writers:
            start(writer)
        assert [line(w) for w in writers] == ["done"] * 16

    found = rows(lake)
    assert set(found["sensor"]) == {f"w{n:02}-{k}" for n in range(16) for k in range(4)}
    assert found["value"].to_list() == [float(n) for n in range(64)]  # each saw the row before its own


def test_readers_see_one_version_whole_while_others_are_published(lake: Lake, lake_url: str, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    with running("rewrite", lake_url) as writer:
        assert line(writer) == "1"
        with running("watch", lake_url, str(stop)) as one, running("watch", lake_url, str(stop)) as other:
            assert (line(one), line(other)) == ("ready", "ready")
            before = int(line(writer))
            while int(line(writer)) < before + 30:
                pass
            stop.touch()
            assert int(line(one)) > 1
            assert int(line(other)) > 1
            assert (one.wait(60), other.wait(60)) == (0, 0)


def test_a_writer_killed_while_writing_leaves_the_old_snapshot(lake: Lake, lake_url: str) -> None:
    published = lake.update(READINGS, "p", lambda _: change(readings(7.0)), "before")
    with running("hang", lake_url) as writer:
        assert line(writer) == "half"
        writer.kill()
        writer.wait()

    assert lake.current(READINGS, "p") == published
    assert rows(lake)["value"].to_list() == [7.0]
    assert lake.partitions(READINGS) == [published]
    lake.update(READINGS, "p", lambda _: change(readings(8.0)), "after")
    assert rows(lake)["value"].to_list() == [8.0]


@pytest.mark.parametrize("written", [0, 1, SENSORS // 2, SENSORS - 1, SENSORS])
def test_a_writer_killed_at_any_moment_leaves_a_whole_snapshot(lake: Lake, lake_url: str, written: int) -> None:
    """It is killed when so many files of a version are there, from none to all: then it publishes, or just has."""
    with running("rewrite", lake_url) as writer:
        told = int([line(writer) for _ in range(3)][-1])
        deadline = time.monotonic() + 60
        while parts(lake) < told * SENSORS + written:
            assert time.monotonic() < deadline
        writer.kill()
        writer.wait()

    left = rows(lake)
    assert left.height == SENSORS
    assert left["value"].n_unique() == 1
    assert left["value"][0] >= told
    with running("rewrite", lake_url) as writer:  # nothing is locked, and nothing in the way
        assert int(line(writer)) > left["value"][0]


def test_ten_million_rows_are_written_and_read_in_less_than_a_gibibyte(lake_url: str) -> None:
    with running("big", lake_url, "2000", "5000") as process:
        read, peak = (int(figure) for figure in line(process).split())

    (published,) = open_lake(lake_url).partitions(PRICES)
    assert (read, published.rows) == (10_000_000, 10_000_000)
    assert len(published.files) >= 5
    assert peak < GIB
