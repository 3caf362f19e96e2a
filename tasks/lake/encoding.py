"""Frames to one Parquet or CSV file, a batch at a time, so that no more than a row group is in memory."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol

import polars as pl
import polars.selectors as cs
import pyarrow.parquet as pq
from polars import CompatLevel
from typing_extensions import Buffer

from tasks.choices import FileFormat
from tasks.errors import ContractError
from tasks.lake.parquet import ROWS_PER_GROUP

_BYTES_PER_GROUP = 64 << 20  # in memory: of wide rows, a group has fewer


class Encoder(Protocol):
    """Takes frames of one schema. Errors of the file, such as a full disk, come as the file raises them."""

    def add(self, frame: pl.DataFrame) -> None: ...

    def close(self) -> None:
        """Writes what is still in memory, and the end of the file, which stays open."""


class Written:
    """A file to write to that passes everything on, and knows how many bytes these were, and their SHA-256."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file: BinaryIO | None = file
        self._hash = hashlib.sha256()
        self.bytes = 0

    def write(self, data: Buffer) -> int:
        with memoryview(data) as view:
            if self._file:
                self._file.write(view)
                self._hash.update(view)
            self.bytes += view.nbytes
            return view.nbytes

    def abandon(self) -> None:
        """What is still written goes nowhere."""
        self._file = None

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        """There is nothing to flush."""

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


@contextmanager
def encoding(file_format: FileFormat, schema: pl.Schema, file: Written) -> Iterator[Encoder]:
    """The file is complete when the context ends. Raises ContractError for columns that the format cannot hold."""
    try:
        encoder = ParquetEncoder(schema, file) if file_format == "parquet" else CsvEncoder(schema, file)
        yield encoder
        encoder.close()
    except BaseException:
        file.abandon()  # else the Parquet library ends its file when it is collected, and this one is closed by then
        raise


class ParquetEncoder:
    """Zstandard-compressed, with statistics, like all files of the lake."""

    def __init__(self, schema: pl.Schema, file: Written) -> None:
        self._waiting = schema.to_frame()
        self._writer = pq.ParquetWriter(file, _arrow(self._waiting).schema, compression="zstd", compression_level=1)

    def add(self, frame: pl.DataFrame) -> None:
        self._waiting = self._waiting.vstack(frame)
        while self._waiting.height >= ROWS_PER_GROUP or self._waiting.estimated_size() >= _BYTES_PER_GROUP:
            self._write(self._waiting.head(ROWS_PER_GROUP))
            self._waiting = self._waiting.slice(ROWS_PER_GROUP)

    def close(self) -> None:
        self._write(self._waiting)
        self._writer.close()

    def _write(self, group: pl.DataFrame) -> None:
        if group.height:
            self._writer.write_table(_arrow(group), row_group_size=group.height)


class CsvEncoder:
    """UTF-8, a header, commas; quotes where they are needed. NULL is nothing, and an empty text is `""`."""

    def __init__(self, schema: pl.Schema, file: Written) -> None:
        unfit = schema.to_frame().select(cs.binary() | cs.nested()).columns
        if unfit:
            raise ContractError(
                f"A CSV file cannot hold the columns {', '.join(unfit)}, which are bytes or lists. Export as Parquet, "
                "or turn them into text in the query."
            )
        self._file = file
        self._file.write(_csv(schema.to_frame(), header=True))

    def add(self, frame: pl.DataFrame) -> None:
        self._file.write(_csv(frame, header=False))

    def close(self) -> None:
        """All is written."""


def _csv(frame: pl.DataFrame, *, header: bool) -> bytes:
    # Times as ISO 8601 has them, the offset with a colon: Excel and Power BI read no other.
    dated = frame.with_columns(cs.datetime().dt.to_string("iso:strict"))
    return dated.write_csv(include_header=header).encode()


def _arrow(frame: pl.DataFrame) -> Any:  # noqa: ANN401 - a pyarrow.Table, which has no type stubs
    # Readers other than polars know strings only in their older type.
    return frame.to_arrow(compat_level=CompatLevel.oldest())
