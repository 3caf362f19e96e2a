"""The lake in a folder: what its disk may do, and how it is named."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from tasks.errors import ConfigurationError, FatalError
from tasks.lake import Lake, open_lake
from tasks.lake.local.store import LocalStore
from tests.tasks.lake.examples import READINGS, change, readings

LARGE = readings(*[n * 0.37 for n in range(1000)])
FULL = 1_000_000  # bytes of the small disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={FULL}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine does not let one mount a disk: {done.stderr}")


def publish(lake: Lake, rows: pl.DataFrame) -> None:
    lake.update(READINGS, "p", lambda _: change(rows), "run")


def published(lake: Lake) -> list[float]:
    return lake.read(READINGS, lake.partitions(READINGS)).collect()["value"].to_list()


def files(folder: Path) -> set[Path]:
    return {p for p in folder.rglob("*") if p.is_file() and ".locks" not in p.parts}


def test_a_full_disk_is_named_and_what_was_published_stays(disk: Path) -> None:
    lake = open_lake(str(disk / "lake"))
    publish(lake, readings(1.0))
    before = files(disk)

    rows = pl.concat([LARGE.with_columns(pl.col("sensor") + str(n), pl.col("value") + n) for n in range(1000)])
    with pytest.raises(
        FatalError, match=rf"The disk is full: {disk}/lake/curated/readings/p/.*\.parquet could not"
    ) as full:
        publish(lake, rows)

    assert "bytes are free" in str(full.value)
    assert files(disk) == before
    assert published(lake) == [1.0]
    publish(lake, readings(2.0))
    assert published(lake) == [2.0]


def test_a_disk_too_full_to_publish_leaves_the_old_snapshot(disk: Path) -> None:
    lake = open_lake(str(disk / "lake"))
    publish(lake, readings(1.0))
    store, pointer = lake.store, "curated/readings/p/_current.json"
    before = store.read(pointer)
    assert before is not None

    filler = disk / "filler"
    filler.write_bytes(b"x" * shutil.disk_usage(disk).free)
    with pytest.raises(FatalError, match=f"The disk is full: {disk}/lake/{pointer} could not be written"):
        store.swap(pointer, b"x" * 10_000, before.etag)

    assert store.read(pointer) == before
    filler.unlink()
    publish(lake, readings(2.0))
    assert published(lake) == [2.0]


def test_a_lake_that_cannot_be_written_can_still_be_read(disk: Path) -> None:
    lake = open_lake(str(disk / "lake"))
    publish(lake, readings(1.0))
    _mount("-o", "remount,ro", str(disk))

    again = open_lake(str(disk / "lake"))
    assert published(again) == [1.0]
    with pytest.raises(ConfigurationError, match=rf"{disk}/lake/curated.*: Read-only file system\. Point ETL_LAKE_URL"):
        publish(again, readings(2.0))
    with pytest.raises(ConfigurationError, match=f"{disk}/other: Read-only file system"):
        open_lake(str(disk / "other"))


@pytest.mark.parametrize("inside", ["", "lake", "lake/deeper"])
def test_a_folder_that_is_a_file_is_refused(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")

    with pytest.raises(ConfigurationError, match=rf"{file}.*: (Not a directory|File exists)\. Point ETL_LAKE_URL at a"):
        open_lake(str(file / inside))


def test_what_is_in_the_way_of_a_partition_is_named(tmp_path: Path) -> None:
    lake = open_lake(str(tmp_path))
    (tmp_path / "curated").write_text("no folder")

    with pytest.raises(ConfigurationError, match=rf"{tmp_path}/curated/readings.*: Not a directory"):
        publish(lake, readings(1.0))


def test_publishing_leaves_no_other_files_behind(tmp_path: Path) -> None:
    lake = open_lake(str(tmp_path))
    publish(lake, readings(1.0))

    assert {p.name for p in files(tmp_path)} == {"part-00000.parquet", "_current.json"}


def test_files_may_come_and_go_while_they_are_listed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    ended = threading.Event()

    def churn() -> None:
        for number in range(150):
            for name in (f"raw/x/{number}/part", f"raw/x/{number}/deep/part"):
                with store.create(name) as file:
                    file.write(b"data")
                store.delete(name)
        ended.set()

    thread = threading.Thread(target=churn)
    thread.start()
    listed = 0
    while not ended.is_set():
        listed += len([e for e in store.entries("raw/") if e.bytes in {0, 4}])
    thread.join()

    assert listed > 0
    assert list(store.entries("raw/")) == []


def test_a_lake_is_named_by_path_or_url(tmp_path: Path) -> None:
    publish(open_lake(str(tmp_path / "my lake")), readings(1.0))

    assert published(open_lake(f"file://{tmp_path}/my%20lake")) == [1.0]
    assert published(open_lake(f"{tmp_path}/other/../my lake")) == [1.0]


@pytest.mark.parametrize("url", ["s3://bucket/lake", "abfss://x@y.dfs.core.windows.net", "://"])
def test_what_no_lake_is_reached_by_is_refused(url: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"ETL_LAKE_URL starts with {url.partition('://')[0]}://, which no lake"
    ):
        open_lake(url)
