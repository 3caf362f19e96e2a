"""A SQL query as a source: its rows beyond a cursor, into a raw dataset of the lake."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Self, cast

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.conversion import as_text
from tasks.database import Beyond, Cursor, Stream
from tasks.datasets import Dataset
from tasks.errors import ConfigurationError, ContractError
from tasks.extract.queries import cursor as cursors
from tasks.extract.queries.known_rows import KnownRows
from tasks.extract.queries.new_rows import FETCHED_AT, NewRows, fitted
from tasks.extract.queries.place import find_place
from tasks.extract.queries.without_cursor import Unfit, put_in_quarantine
from tasks.lake import Change, Lake, SnapshotRef


class Query(BaseModel):
    """What is read, and from where on.

    `sql` is a SELECT without a comparison of the column `cursor`: that is put around it, as is the order of its rows.
    Values of its `:name`s are in `parameters`. `start` is where the first run begins, and says of what kind the cursor
    is: a number, a date, a time (with a zone where the column has one), a text. Every run reads again the rows at the
    cursor, and for rows that come late those within `lag` of it. Which of them are new is told by the columns `key`,
    which identify a row of the table: the lake gets it when it is another than the one that came last. Without a key
    rows with the same values are counted. No cursor follows a row beyond now, nor one beyond `until`: of numbers and
    texts that are no times (`epoch` in the metadata of the column says that they are) nobody else can tell that a value
    is too large, and one such would keep all that follows. Where a query is read with several sets of parameters, each
    has a `part`: a folder of the dataset, with a cursor of its own."""

    model_config = ConfigDict(frozen=True)

    sql: str
    cursor: str
    start: Cursor
    key: tuple[str, ...] = ()
    lag: timedelta | int = 0
    until: Cursor | None = None
    parameters: Mapping[str, object] = Field(default_factory=dict)
    part: str = Field("all", pattern="^[A-Za-z0-9][A-Za-z0-9_=-]{0,62}$")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.lag and (isinstance(self.start, str) or isinstance(self.start, int) != isinstance(self.lag, int)):
            raise ConfigurationError(
                f"A lag of {self.lag} cannot be taken from a cursor such as {self.start!r}. Give a number for a "
                "number, a timedelta for a date or a time, and nothing for a text."
            )
        if self.until is not None and type(self.until) is not type(self.start):
            raise ConfigurationError(
                f"A cursor such as {self.start!r} cannot be compared with the until of {self.until!r}. Give one of its "
                "kind."
            )
        return self

    @property
    def fingerprint(self) -> str:
        """A hash of the parameters alone: the text may be changed without beginning anew."""
        text = json.dumps(self.parameters, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class QueryExtracted(BaseModel):
    """What one run brought. `rows_new` are those of `rows_read` that the lake did not have with the same values."""

    model_config = ConfigDict(frozen=True)

    snapshot: SnapshotRef | None  # of the new rows; None where there are none
    rows_read: int
    rows_new: int
    cursor: Cursor  # how far has been read
    rows_ahead: int = 0  # of those read: beyond now or `until`, so that the cursor does not follow them
    rows_without_cursor: int = 0  # not among those read: they are in quarantine
    rows_unfit: int = 0  # not among those read either: with values that the dataset cannot hold


def extract(
    lake: Lake, stream: Stream, dataset: Dataset, query: Query, *, run: str, fetched_at: datetime
) -> QueryExtracted:
    """Publishes the rows beyond the cursor that the lake keeps, and with them the cursor that they reach to.

    Whatever ends it early, both stay as they were. Rows that have no cursor are all that quarantine has of this part
    of the query. A column `fetched_at` of the dataset that the query does not give gets that time; rows beyond it are
    read, and read again until it is past. Memory is bounded, by the rows of one cursor where there is no key. Raises
    ContractError for other columns than the dataset's, ConfigurationError for a query that makes no sense, and what
    the stream raises; and ContractError where of all rows a larger share is in quarantine than the limits of the
    dataset let: without a cursor, or with values that the dataset cannot hold."""
    cursors.check_column(dataset, query.cursor, query.start)
    if unknown := [name for name in query.key if name not in dataset.polars_schema]:
        raise ConfigurationError(
            f"The key of a query for {dataset.state}/{dataset.name} has {', '.join(unknown)}, which the dataset does "
            f"not. Give some of {list(dataset.polars_schema)}."
        )
    place = find_place(lake, dataset, query.part, query.start, query.lag, query.fingerprint)
    known = lake.read(dataset, place.overlap).drop(FETCHED_AT, strict=False)
    now: Any = cursors.as_cursor(fetched_at, query.start, dataset.schema.columns()[query.cursor])
    until: Any = cursors.in_utc(query.until) if query.until is not None else None

    unfit = Unfit()

    def begin() -> NewRows:
        nonlocal unfit
        unfit = Unfit()
        frames = stream(query.sql, query.parameters, Beyond(query.cursor, place.after))
        return NewRows(
            (unfit.sift(*fitted(frame, dataset, fetched_at)) for frame in frames),
            query.cursor,
            place.after,
            place.known_to,
            KnownRows(known, query.cursor, query.key).unknown,
            now if until is None else until if now is None else min(now, until),
        )

    reading = begin()
    snapshot = published = None
    cursor: Any = place.cursor
    partition = cursors.partition(query.part, place.number)
    if reading.has_news:
        published, reading = _publish(lake, dataset, partition, reading, begin, run)
    unfit.keep(lake, dataset.quarantine, partition, run)  # before the cursor goes beyond them
    if published:
        cursor = cursor if reading.reached is None else max(cursor, reading.reached)
        ahead: dict[int, Any] = {**place.ahead, place.number: reading.most}
        left = {number: reach for number, reach in ahead.items() if reach > cursor}
        snapshot = cursors.confirmed(lake, published, cursor, query.fingerprint, left)
    nulls = _put_nulls_in_quarantine(lake, stream, dataset, query, fetched_at, run)
    _judge(lake, dataset, query, nulls, unfit)
    return QueryExtracted(
        snapshot=snapshot,
        rows_read=reading.rows_read,
        rows_new=reading.rows_new,
        cursor=cursor,
        rows_ahead=reading.rows_ahead,
        rows_without_cursor=nulls,
        rows_unfit=unfit.rows,
    )


def _put_nulls_in_quarantine(
    lake: Lake, stream: Stream, dataset: Dataset, query: Query, fetched_at: datetime, run: str
) -> int:
    def read() -> Iterator[pl.DataFrame]:
        for frame in stream(query.sql, query.parameters, Beyond(query.cursor, None)):
            good, bad = fitted(frame, dataset, fetched_at)
            yield pl.concat([good.select(as_text(good[name]) for name in good.columns), bad.drop("reasons")])

    return put_in_quarantine(lake, dataset.quarantine, query.part, read, query.cursor, run)


def _judge(lake: Lake, dataset: Dataset, query: Query, nulls: int, unfit: Unfit) -> None:
    """Of all rows that are kept of this part of the query."""
    bad = nulls + unfit.rows
    rows = bad + (sum(s.rows for s in lake.partitions(dataset, f"{query.part}/")) if bad else 0)
    if dataset.limits.judge(bad, rows) == "failure":
        why = unfit.first_reason or f"{query.cursor} is missing"
        raise ContractError(
            f"{bad} of {rows} rows of the query for {dataset.state}/{dataset.name} are in quarantine/{dataset.name}/"
            f"{query.part}, beyond its limit of {dataset.limits.failure:.0%}: {why}. Correct it in the query, with "
            "CAST or another cursor; if so many are wrong for good, set `limits` of the dataset."
        )


def _publish(
    lake: Lake, dataset: Dataset, partition: str, reading: NewRows, begin: Callable[[], NewRows], run: str
) -> tuple[SnapshotRef, NewRows]:
    """The snapshot of what is new, and its reading: when another run publishes first, all is read anew."""

    def change(_: SnapshotRef | None) -> Change:
        nonlocal reading
        if reading.is_taken:
            reading = begin()
        return Change(reading.take(), inputs=())

    published = Lake(lake.store, rows_per_file=reading.rows_per_file).update(dataset, partition, change, run)
    return cast("SnapshotRef", published), reading  # `change` always has one
