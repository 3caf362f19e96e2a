"""One reading of a query: its rows as a dataset has them, which of them are new, and how far they reach."""

import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import polars as pl

from tasks.database.types import typed
from tasks.datasets import Dataset
from tasks.errors import ContractError
from tasks.extract.cursor import Cursor, in_utc

_FETCHED_AT = "fetched_at"
_BYTES_PER_FILE = 128 << 20  # in memory
_ROWS_PER_FILE = 2_000_000  # at most


def fitted(frame: pl.DataFrame, dataset: Dataset, fetched_at: datetime) -> pl.DataFrame:
    """The rows of an answer in the columns and types of the dataset. `fetched_at` fills a column of that name, unless
    the answer has it. Raises ContractError for other columns and for values that a type cannot hold."""
    wanted = dataset.polars_schema
    if _FETCHED_AT in wanted and _FETCHED_AT not in frame.columns:
        frame = frame.with_columns(pl.lit(fetched_at, dtype=wanted[_FETCHED_AT]).alias(_FETCHED_AT))
    if set(frame.columns) != set(wanted):
        missing = [name for name in wanted if name not in frame.columns]
        unknown = [name for name in frame.columns if name not in wanted]
        raise ContractError(
            f"The query for {dataset.state}/{dataset.name} does not have its columns: missing {missing}, unknown "
            f"{unknown}. Name exactly {list(wanted)} in the query, or change the dataset."
        )
    return typed(frame.select(wanted.names()), wanted)


class Reading:
    """Takes frames of a dataset's columns, once. `begun` is the cursor so far; `known` are rows that may come again."""

    def __init__(self, frames: Iterator[pl.DataFrame], column: str, begun: Cursor, known: pl.LazyFrame) -> None:
        self._column = column
        self._begun = begun
        self._known = known.drop(_FETCHED_AT, strict=False)
        self._same = self._known.collect_schema().names()
        self.reached: Any = begun  # of the kind of the cursor
        self.rows_read = 0
        self.rows_new = 0
        self.is_taken = False
        self._coming = self._new(frames)
        self._first = next(self._coming, None)

    @property
    def has_news(self) -> bool:
        return self._first is not None

    @property
    def rows_per_file(self) -> int:
        """So many that they fit well into memory."""
        if self._first is None:
            return _ROWS_PER_FILE
        each = max(1, int(self._first.estimated_size()) // self._first.height)
        return min(_ROWS_PER_FILE, max(1, _BYTES_PER_FILE // each))

    def take(self) -> Iterator[pl.DataFrame]:
        """The new rows."""
        self.is_taken = True
        return itertools.chain([self._first] if self._first is not None else [], self._coming)

    def _new(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for frame in frames:
            self._count(frame)
            late = frame.filter(pl.col(self._column) <= self._begun)
            # What is beyond the cursor cannot be known. It is the most, and need not be looked up.
            new = (
                frame
                if late.is_empty()
                else pl.concat([self._unknown(late), frame.filter(pl.col(self._column) > self._begun)])
            )
            self.rows_new += new.height
            if new.height:
                yield new

    def _count(self, frame: pl.DataFrame) -> None:
        column = frame.get_column(self._column)
        if nulls := column.null_count():
            raise ContractError(
                f"{nulls} rows of the query have no {self._column}, so nobody can say whether they are new. Leave them "
                "out in the query, or take another column as the cursor."
            )
        self.rows_read += frame.height
        if frame.height:
            reached: Any = column.max()
            self.reached = max(self.reached, in_utc(reached))

    def _unknown(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of the rows that the lake does not have with the same values."""
        column = rows.get_column(self._column)
        known = self._known.filter(pl.col(self._column).is_between(column.min(), column.max())).collect()
        return rows.join(known, on=self._same, how="anti", nulls_equal=True, maintain_order="left")
