"""How far a query has been read. Each cursor is kept in the pointer of the snapshot whose rows reach to it.

`{dataset}/{part}/number=00000001` is what the first run brought, `number=00000002` what the second one did. A snapshot
that has no cursor, for its run died before, is written again: rows and cursor cannot part. Rows beyond now are kept by
`new_rows.py`, and those without a cursor put in quarantine by `without_cursor.py`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import dataframely as dy
import polars as pl

from tasks.conversion import Reading
from tasks.database import Cursor
from tasks.datasets import Dataset
from tasks.errors import ConfigurationError
from tasks.lake import Lake, SnapshotRef

_NUMBER = re.compile(r"/number=(\d{8,})/_current\.json")
_CURSOR, _PARAMETERS, _AHEAD = _MARKS = ("cursor ", "parameters ", "ahead ")  # what such a snapshot's inputs begin with


@dataclass(frozen=True)
class StoredCursor:
    """A snapshot with a cursor, and its place in the order of runs."""

    number: int
    snapshot: SnapshotRef
    cursor: Cursor
    ahead: Mapping[int, Cursor]  # the snapshots up to this one that have rows beyond its cursor: how far they reach


def find_stored(lake: Lake, dataset: Dataset, part: str, start: Cursor, parameters: str) -> Iterator[StoredCursor]:
    """Newest first; each pointer is read when it is asked for. `parameters` is the fingerprint of the query's.

    Raises ConfigurationError for what was read with other parameters, or with a cursor of another type than `start`."""
    folder = f"{dataset.state}/{dataset.name}/{part}/"
    found = (_NUMBER.search(entry.path) for entry in lake.store.entries(folder))
    for number in sorted({int(match[1]) for match in found if match}, reverse=True):
        snapshot = lake.current(dataset, partition(part, number))
        if snapshot and snapshot.inputs:
            (cursor,), (theirs,), ahead = (_marked(snapshot.inputs, mark) for mark in _MARKS)
            _check_same(folder, parameters, theirs)
            reaches = {
                int(other): _decoded(text, start, folder) for other, _, text in (a.partition(" ") for a in ahead)
            }
            yield StoredCursor(number, snapshot, _decoded(cursor, start, folder), reaches)


def partition(part: str, number: int) -> str:
    return f"{part}/number={number:08d}"


def confirmed(
    lake: Lake, snapshot: SnapshotRef, cursor: Cursor, parameters: str, ahead: Mapping[int, Cursor]
) -> SnapshotRef:
    """The snapshot, with the cursor that its rows reach to. Does nothing if another one became current."""
    beyond = (f"{_AHEAD}{number} {_encoded(reach)}" for number, reach in sorted(ahead.items()))
    return lake.confirm(snapshot, (_CURSOR + _encoded(cursor), _PARAMETERS + parameters, *beyond))


def in_utc(cursor: Cursor) -> Cursor:
    """Moments in one time zone; anything else as it is."""
    return cursor.astimezone(UTC) if isinstance(cursor, datetime) and cursor.tzinfo else cursor


def as_cursor(now: datetime, kind: Cursor, column: dy.Column) -> Cursor | None:
    """A moment as cursors of that kind are, without a zone in UTC. None: they are no times.

    Numbers are times where the column's metadata has an `epoch`."""
    moment = now.astimezone(UTC)
    if isinstance(kind, datetime):
        return moment if kind.tzinfo else moment.replace(tzinfo=None)
    if isinstance(kind, date):
        return moment.date()
    epoch = Reading.of("cursor", column).epoch
    return int(pl.Series([moment]).dt.epoch(epoch).item()) if epoch else None


def check_column(dataset: Dataset, column: str, start: Cursor) -> None:
    """Raises ConfigurationError unless the dataset has the column, in a type whose values are like `start`."""
    dtype = dataset.polars_schema.get(column)
    if dtype is None or not _suits(dtype, start):
        raise ConfigurationError(
            f"The cursor {column} of {dataset.state}/{dataset.name} begins with {start!r}, but the column is "
            f"{dtype or 'not one of its columns'}. Begin with a value as the column has them: an int, a date, a "
            "datetime with a zone or without, a text."
        )


def _suits(dtype: pl.DataType, start: Cursor) -> bool:
    if isinstance(start, datetime):
        return isinstance(dtype, pl.Datetime) and (dtype.time_zone is None) == (start.tzinfo is None)
    if isinstance(start, date):
        return isinstance(dtype, pl.Date)
    return dtype.is_integer() if isinstance(start, int) else isinstance(dtype, pl.String)


def _marked(inputs: Sequence[str], mark: str) -> list[str]:
    return [text.removeprefix(mark) for text in inputs if text.startswith(mark)]


def _check_same(folder: str, parameters: str, theirs: str) -> None:
    if theirs != parameters:
        raise ConfigurationError(
            f"What {folder} has was read with other parameters, so its cursor says nothing about these. Give the query "
            "another `part`, which gets a cursor of its own."
        )


def _encoded(cursor: Cursor) -> str:
    return cursor.isoformat() if isinstance(cursor, date) else str(cursor)


def _decoded(text: str, start: Cursor, folder: str) -> Cursor:
    try:
        return type(start).fromisoformat(text) if isinstance(start, date) else type(start)(text)
    except ValueError:
        raise ConfigurationError(
            f"The cursor that {folder} keeps is {text!r}, which is not of the kind of {start!r}. Give a `start` of its "
            "kind, or the query another `part`."
        ) from None
