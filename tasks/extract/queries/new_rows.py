"""One reading of a query: its rows as a dataset has them, which of them are new, and how far they reach."""

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import polars as pl

from tasks.database import Cursor
from tasks.database.types import fitting
from tasks.datasets import Dataset
from tasks.errors import ContractError
from tasks.extract.queries.cursor import in_utc

FETCHED_AT = "fetched_at"
_BYTES_PER_FILE = 128 << 20  # in memory
_ROWS_PER_FILE = 2_000_000  # at most


def fitted(frame: pl.DataFrame, dataset: Dataset, fetched_at: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of an answer in the columns and types of the dataset; those that do not fit as `dataset.quarantine` has
    them. `fetched_at` fills a column of that name, unless the answer has it. Raises ContractError for other columns."""
    wanted = dataset.polars_schema
    if FETCHED_AT in wanted and FETCHED_AT not in frame.columns:
        frame = frame.with_columns(pl.lit(fetched_at, dtype=wanted[FETCHED_AT]).alias(FETCHED_AT))
    if set(frame.columns) != set(wanted):
        missing = [name for name in wanted if name not in frame.columns]
        unknown = [name for name in frame.columns if name not in wanted]
        raise ContractError(
            f"The query for {dataset.state}/{dataset.name} does not have its columns: missing {missing}, unknown "
            f"{unknown}. Name exactly {list(wanted)} in the query, or change the dataset."
        )
    return fitting(frame.select(wanted.names()), wanted)


class NewRows:
    """Takes frames of a dataset's columns, once, in the order of their cursor.

    Rows before `after` are left out. Those up to `known_to` may have come before: `unknown` finds the ones that did
    not. What is beyond `now` has no place in how far the query was read: it would keep all that follows from it."""

    def __init__(
        self,
        frames: Iterator[pl.DataFrame],
        column: str,
        after: Cursor,
        known_to: Cursor,
        unknown: Callable[[pl.DataFrame], pl.DataFrame],
        now: Cursor | None,
    ) -> None:
        # polars compares no moments of two time zones.
        in_zone = isinstance(after, datetime) and after.tzinfo
        self._column = pl.col(column).dt.convert_time_zone("UTC") if in_zone else pl.col(column)
        self._after = after
        self._known_to = known_to
        self._unknown = unknown
        self._until = pl.lit(value=True) if now is None else self._column <= now
        self.reached: Any = None  # by a new row until now: of the kind of the cursor
        self.most: Any = None  # by any new row
        self.rows_read = 0
        self.rows_new = 0
        self.rows_ahead = 0
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
            rows = frame.filter(self._column >= self._after)
            self.rows_read += rows.height
            self.rows_ahead += rows.filter(~self._until).height
            # What is beyond cannot be known. It is the most, and need not be looked up.
            known = rows.filter(self._column <= self._known_to)
            beyond = rows.filter(self._column > self._known_to)
            new = beyond if known.is_empty() else pl.concat([self._unknown(known), beyond])
            if new.height:
                self.reached = _greater(self.reached, new.filter(self._until).select(self._column.max()).item())
                self.most = _greater(self.most, new.select(self._column.max()).item())
                self.rows_new += new.height
                yield new


def _greater(one: Any, other: Any) -> Any:  # noqa: ANN401 - cursors of one kind, or none
    known = [in_utc(value) for value in (one, other) if value is not None]
    return max(known) if known else None
