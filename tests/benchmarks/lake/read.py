"""A snapshot of ten million rows comes back from Blob Storage as a frame: ours, and the SDK with polars."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
from polars.testing import assert_frame_equal

from tasks.lake import SnapshotRef
from tests.benchmarks.lake.blobs import CLOSES, SIZE, TINY, Blobs, Size, blobs
from tests.benchmarks.race import Contender, Race, at_most_times_as_long

__all__ = ["SIZE", "TINY", "race"]


@contextmanager
def race(size: Size) -> Iterator[Race]:
    with blobs(size) as there:
        snapshot = there.publish()
        download = Contender("download_blob, then read_parquet", lambda _: _download(there, snapshot))
        yield Race(
            title=f"read {there.rows.height:,} rows from Blob Storage",
            ours=Contender("tasks.lake", lambda _: there.lake.read(CLOSES, [snapshot]).collect()),
            peers=[(download, at_most_times_as_long(1.3))],
            agree=assert_frame_equal,
        )


def _download(there: Blobs, snapshot: SnapshotRef) -> pl.DataFrame:
    files = [there.download(*path.split("/", 1)) for path in snapshot.files]
    return pl.concat(pl.read_parquet(io.BytesIO(data)) for data in files)
