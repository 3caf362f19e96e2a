"""Ten million rows become a snapshot in Blob Storage: ours, the SDK with the same bytes, and pandas by CSV."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import polars as pl
from polars.testing import assert_frame_equal

from tasks.lake import SnapshotRef
from tests.benchmarks.lake.blobs import CLOSES, PEERS, SIZE, TINY, Blobs, Size, blobs
from tests.benchmarks.race import Contender, Race, at_most_times_as_long, times_as_fast

__all__ = ["SIZE", "TINY", "race"]


@contextmanager
def race(size: Size) -> Iterator[Race]:
    with blobs(size) as there:
        as_pandas = there.rows.to_pandas()
        encode_and_upload = Contender("encode, then upload_blob", lambda _: there.upload(there.encoded()))
        csv = Contender("pandas.to_csv, then upload_blob", lambda folder: _pandas(there, as_pandas, folder))

        def agree(ours: SnapshotRef, peer: list[str]) -> None:
            stored = there.lake.read(CLOSES, [ours]).collect()
            assert_frame_equal(stored, pl.concat(_stored(there, name) for name in peer))

        yield Race(
            title=f"publish {there.rows.height:,} rows to Blob Storage",
            ours=Contender("tasks.lake", lambda _: there.publish()),
            peers=[(encode_and_upload, at_most_times_as_long(1.3)), (csv, times_as_fast(15))],
            agree=agree,
        )


def _pandas(there: Blobs, rows: pd.DataFrame, folder: Path) -> list[str]:
    rows.to_csv(folder / "closes.csv", index=False)
    return [there.upload_file(folder / "closes.csv")]


def _stored(there: Blobs, name: str) -> pl.DataFrame:
    data = io.BytesIO(there.download(PEERS, name))
    return pl.read_csv(data, schema=CLOSES.polars_schema) if name.endswith(".csv") else pl.read_parquet(data)
