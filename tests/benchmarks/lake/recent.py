"""The last dates of ten million rows in Blob Storage, beside all of them: what is not asked for is not read."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import polars as pl
from polars.testing import assert_frame_equal

from tests.benchmarks.lake.blobs import CLOSES, SIZE, TINY, Size, blobs
from tests.benchmarks.race import Contender, Race, at_most_times_as_long

__all__ = ["SIZE", "TINY", "race"]


@contextmanager
def race(size: Size) -> Iterator[Race]:
    with blobs(size) as there:
        snapshot = there.publish()
        assert snapshot.last
        recent = pl.col("date") > snapshot.last - timedelta(days=size.recent)

        def agree(ours: pl.DataFrame, whole: pl.DataFrame) -> None:
            assert ours.height == size.codes * size.recent
            assert_frame_equal(ours, whole.filter(recent))

        whole = Contender("the whole of it", lambda _: there.lake.read(CLOSES, [snapshot]).collect())
        yield Race(
            title=f"read the last {size.recent} of {size.dates:,} dates from Blob Storage",
            ours=Contender("tasks.lake", lambda _: there.lake.read(CLOSES, [snapshot]).filter(recent).collect()),
            peers=[(whole, at_most_times_as_long(0.15))],
            agree=agree,
        )
