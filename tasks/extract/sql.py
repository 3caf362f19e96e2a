"""A SQL query as a source: its rows beyond a cursor, into a raw dataset of the lake."""

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.database import Stream
from tasks.datasets import Dataset
from tasks.errors import ConfigurationError
from tasks.extract import cursor as cursors
from tasks.extract.cursor import Cursor
from tasks.extract.reading import Reading, fitted
from tasks.lake import Change, Lake, SnapshotRef

_AFTER = "after"  # the query's parameter


class Query(BaseModel):
    """What is read, and from where on.

    `sql` compares the column `cursor` with `:after`, as in `SELECT * FROM orders WHERE changed_at > :after`; values of
    other `:name`s are in `parameters`. `start` is what the first run reads after, and says of what kind the cursor is:
    a number, a date, a time (with a zone where the column has one), a text. For rows that come late, every run reads
    again what is within `lag` of the cursor. Where a query is read with several sets of parameters, each has a `part`:
    a folder of the dataset, with a cursor of its own."""

    model_config = ConfigDict(frozen=True)

    sql: str
    cursor: str
    start: Cursor
    lag: timedelta | int = 0
    parameters: Mapping[str, object] = Field(default_factory=dict)
    part: str = Field("all", pattern="^[A-Za-z0-9][A-Za-z0-9_=-]{0,62}$")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.lag and (isinstance(self.start, str) or isinstance(self.start, int) != isinstance(self.lag, int)):
            raise ConfigurationError(
                f"A lag of {self.lag} cannot be taken from a cursor such as {self.start!r}. Give a number for a "
                "number, a timedelta for a date or a time, and nothing for a text."
            )
        if _AFTER in self.parameters:
            raise ConfigurationError(f"The parameter {_AFTER} of a query is its cursor. Give the other one a new name.")
        return self

    @property
    def fingerprint(self) -> str:
        """Of the parameters: the text may be changed without beginning anew."""
        text = json.dumps(self.parameters, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class QueryExtracted(BaseModel):
    """What one run brought. `rows_new` are those of `rows_read` that the lake did not have with the same values."""

    model_config = ConfigDict(frozen=True)

    snapshot: SnapshotRef | None  # of the new rows; None where there are none
    rows_read: int
    rows_new: int
    cursor: Cursor  # how far has been read


def extract(
    lake: Lake, stream: Stream, dataset: Dataset, query: Query, *, run: str, fetched_at: datetime
) -> QueryExtracted:
    """Publishes the rows beyond the cursor that the lake keeps, and with them the cursor that they reach to.

    Whatever ends it early, both stay as they were. A column `fetched_at` of the dataset that the query does not give
    gets that time. Memory is bounded; with a lag, it is if the query is ordered by the cursor. Raises ContractError for
    other columns than the dataset's and for a row without a cursor, ConfigurationError for a query that makes no sense,
    and what the stream raises."""
    cursors.check_column(dataset, query.cursor, query.start)
    place = _find_place(lake, dataset, query)

    def begin() -> Reading:
        frames = stream(query.sql, {**query.parameters, _AFTER: place.after})
        rows = (fitted(frame, dataset, fetched_at) for frame in frames)
        return Reading(rows, query.cursor, place.cursor, lake.read(dataset, place.overlap))

    reading = begin()
    snapshot = None
    if reading.has_news:
        published, reading = _publish(lake, dataset, place.partition, reading, begin, run)
        snapshot = cursors.confirmed(lake, published, reading.reached, query.fingerprint)
    return QueryExtracted(
        snapshot=snapshot, rows_read=reading.rows_read, rows_new=reading.rows_new, cursor=reading.reached
    )


@dataclass(frozen=True)
class _Place:
    """Where a run goes on. `overlap` are the snapshots that have rows beyond `after`."""

    cursor: Cursor
    after: Cursor
    partition: str
    overlap: tuple[SnapshotRef, ...]


def _find_place(lake: Lake, dataset: Dataset, query: Query) -> _Place:
    kept = cursors.find_kept(lake, dataset, query.part, query.start, query.fingerprint)
    last = next(kept, None)
    cursor = cursors.in_utc(last.cursor if last else query.start)
    after: Any = _earlier(cursor, query.lag) if query.lag else cursor
    newest_first = itertools.chain([last] if last else [], kept)
    overlap = itertools.takewhile(lambda k: after <= k.cursor, newest_first)
    partition = cursors.partition(query.part, last.number + 1 if last else 1)
    return _Place(cursor, after, partition, tuple(k.snapshot for k in overlap))


def _earlier(cursor: Any, lag: Any) -> Any:  # noqa: ANN401 - a number and a number, or a time and a timedelta
    return cursor - lag


def _publish(
    lake: Lake, dataset: Dataset, partition: str, reading: Reading, begin: Callable[[], Reading], run: str
) -> tuple[SnapshotRef, Reading]:
    """The snapshot of what is new, and its reading: when another run publishes first, all is read anew."""

    def change(_: SnapshotRef | None) -> Change:
        nonlocal reading
        if reading.is_taken:
            reading = begin()
        return Change(reading.take(), inputs=())

    published = Lake(lake.store, rows_per_file=reading.rows_per_file).update(dataset, partition, change, run)
    return cast("SnapshotRef", published), reading  # `change` always has one
