"""Exports: rows as a file of the lake whose columns are known only when they come, Parquet or CSV.

`published/exports/{name}` is the partition of a Parquet file and `{name}.csv` that of a CSV file, with snapshots like
those of any dataset: one file each, which never changes, and a pointer that is swapped. As `inputs` the pointer has the
SHA-256 of the file.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import dataframely as dy
import polars as pl
from pydantic import BaseModel, ConfigDict

from tasks.choices import FileFormat
from tasks.datasets import Dataset
from tasks.errors import ConfigurationError, ContractError
from tasks.lake import parquet
from tasks.lake.encoding import Written, encoding
from tasks.lake.lake import Lake, LostRaceError
from tasks.lake.parquet import fingerprint
from tasks.lake.snapshots.names import check_apart, check_portable
from tasks.lake.snapshots.pointer import new_snapshot, read_pointer, swap_pointer
from tasks.lake.snapshots.reference import SnapshotRef


class AnyColumns(dy.Schema):
    """Each export has its own."""


EXPORTS = Dataset("exports", "published", AnyColumns, sort=())

_HOME = f"{EXPORTS.state}/{EXPORTS.name}"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


class Exported(BaseModel):
    """What an export is now. `changed` is false where it had the very same file before, and keeps it."""

    model_config = ConfigDict(frozen=True)

    snapshot: SnapshotRef
    columns: dict[str, str]  # their types
    location: str  # of the file: a path, or az://CONTAINER/PATH
    changed: bool


def check_name(name: str) -> None:
    """Raises ConfigurationError for what cannot be the name of an export."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be the name of an export. Take letters from a to z, digits, - and _, at most 63, and a "
            "letter or digit as the first."
        )


def publish_export(
    lake: Lake,
    name: str,
    file_format: FileFormat,
    frames: Iterable[pl.DataFrame],
    run: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Exported:
    """Writes frames, all of the columns that the first one has, to a file, and makes this the current one.

    After any error the export is as before. Of two at the same time the one that began later stays. Raises
    ContractError for columns that change, and for none; LostRaceError when one that began later has ended already."""
    check_name(name)
    partition = name if file_format == "parquet" else f"{name}.{file_format}"
    before = lake.current(EXPORTS, partition)
    if before is None:
        check_portable(partition)
        check_apart(partition, _names(lake))
    snapshot, created = new_snapshot(before, clock())
    path = f"{_HOME}/{partition}/{snapshot}/part-00000.{file_format}"
    with lake.store.create(path) as file:
        written = Written(file)
        schema, rows = _write(frames, file_format, written)
    mine = SnapshotRef(
        state=EXPORTS.state,
        dataset=EXPORTS.name,
        partition=partition,
        snapshot=snapshot,
        files=(path,),
        rows=rows,
        bytes=written.bytes,
        fingerprint=fingerprint(schema),
        first=None,
        last=None,
        run=run,
        inputs=(f"sha256:{written.digest}",),
        created=created,
    )
    current = _publish(lake, mine)
    return Exported(
        snapshot=current,
        columns={column: str(dtype) for column, dtype in schema.items()},
        location=lake.store.url(current.files[0]),
        changed=current == mine,
    )


def read_export(lake: Lake, name: str) -> pl.LazyFrame:
    """The rows of the Parquet export of that name, lazily. Raises ConfigurationError where there is none."""
    check_name(name)
    current = lake.current(EXPORTS, name)
    if current is None:
        there = ", ".join(s.partition for s in lake.partitions(EXPORTS)) or "none"
        raise ConfigurationError(f"There is no Parquet export {name}. Those that are there: {there}.")
    return parquet.scan(lake.store, current.files)


def _write(frames: Iterable[pl.DataFrame], file_format: FileFormat, written: Written) -> tuple[pl.Schema, int]:
    """The columns, and how many rows there were."""
    coming = iter(frames)
    frame = next(coming, None)
    if frame is None or not frame.width:
        raise ContractError("There is nothing to export: the query has no columns. Give one that selects some.")
    schema, rows = frame.schema, 0
    with encoding(file_format, schema, written) as encoder:
        while frame is not None:
            _check(frame.schema, schema, rows)
            encoder.add(frame)
            rows += frame.height
            frame = next(coming, None)
    return schema, rows


def _check(found: pl.Schema, schema: pl.Schema, rows: int) -> None:
    if found != schema:
        told = [f"{n} from {schema[n]} to {found.get(n, 'nothing')}" for n in schema if schema[n] != found.get(n)]
        raise ContractError(
            f"After {rows} rows the columns of an export changed: {', '.join(told) or 'there are new ones'}. Give each "
            "one a type."
        )


def _names(lake: Lake) -> set[str]:
    """The partitions of all exports."""
    return {entry.path.removeprefix(f"{_HOME}/").partition("/")[0] for entry in lake.store.entries(f"{_HOME}/")}


def _publish(lake: Lake, mine: SnapshotRef) -> SnapshotRef:
    """The snapshot that is current in the end: this one, or one of the very same file."""
    while True:
        current, etag = read_pointer(lake.store, f"{_HOME}/{mine.partition}")
        if current and (current.inputs, current.fingerprint) == (mine.inputs, mine.fingerprint):
            _remove(lake, mine)
            return current
        if current and current.snapshot > mine.snapshot:
            _remove(lake, mine)
            raise LostRaceError(
                f"{_HOME}/{mine.partition} was exported by run {current.run}, which began after run {mine.run} did and "
                "ended before. Its rows stay. Run again if the others are wanted."
            )
        if swap_pointer(lake.store, mine, etag):  # else somebody else was first, with something older or newer
            return mine


def _remove(lake: Lake, snapshot: SnapshotRef) -> None:
    for path in snapshot.files:
        lake.store.delete(path)
