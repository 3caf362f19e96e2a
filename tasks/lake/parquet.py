"""Frames to Parquet files of a bounded size, and back as one lazy frame."""

import ctypes
import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import polars as pl

from tasks.lake.store import Store

ROWS_PER_FILE = 2_000_000
ROWS_PER_GROUP = 250_000  # small enough that a scan of recent dates skips most of a file


def batches(frames: Iterable[pl.DataFrame], rows: int = ROWS_PER_FILE) -> Iterator[pl.DataFrame]:
    """The rows of all frames in their order, cut into frames of at most `rows` rows. Empty frames are left out."""
    waiting: list[pl.DataFrame] = []
    count = 0
    for frame in frames:
        for piece in frame.iter_slices(rows):
            if count + piece.height > rows:
                yield pl.concat(waiting)
                waiting, count = [], 0
            if piece.height:
                waiting.append(piece)
                count += piece.height
    if waiting:
        yield pl.concat(waiting)


def write(frame: pl.DataFrame, file: BinaryIO) -> None:
    """Raises OSError for what the operating system refuses, a full disk above all."""
    try:
        frame.write_parquet(
            file, compression="zstd", compression_level=1, row_group_size=ROWS_PER_GROUP, statistics=True
        )
    except pl.exceptions.ComputeError as error:
        # polars writes by itself, and then has the operating system's error in its text only.
        if found := re.search(r"os error (\d+)", str(error)):
            raise _system_error(int(found[1])) from error
        raise


def scan(store: Store, files: Iterable[str], schema: pl.Schema | None = None) -> pl.LazyFrame:
    """The rows of files of a store, which all have the columns of this schema, or those of the first one."""
    return pl.scan_parquet(
        [store.url(path) for path in files],
        schema=schema,
        storage_options=store.storage_options,
        credential_provider=store.credential_provider,
        glob=False,
    )


def _system_error(number: int) -> OSError:
    if sys.platform == "win32":
        return ctypes.WinError(number)
    return OSError(number, os.strerror(number))


def fingerprint(schema: pl.Schema) -> str:
    """Changes with any column's name, order or type."""
    text = ";".join(f"{name}:{dtype!r}" for name, dtype in schema.items())
    return hashlib.sha256(text.encode()).hexdigest()[:16]
