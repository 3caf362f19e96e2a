"""Compares a table with the lake, partition by partition."""

from collections.abc import Mapping
from datetime import date

import polars as pl

from tasks.database.connection import Connection
from tasks.datasets import Dataset, shard_of
from tasks.lake import Lake, SnapshotRef
from tasks.lake.retention.read_leases import read_lease
from tasks.load import contract, ledger
from tasks.load.comparison import sums
from tasks.load.request import NOTHING
from tasks.window import Window

_NAMED = 5
_ALWAYS = Window(first=date(1, 1, 1), last=date(9999, 12, 31))


def compare(connection: Connection, lake: Lake, dataset: Dataset, window: Window | None = None) -> dict[str, str]:
    """What differs, by partition: of the years that have a day in the window, or of all.

    A partition whose current snapshot was not loaded yet is left out, as long as it continues what was; and what was
    loaded meanwhile. Nothing is changed. Not compared are a record, a dataset without a period, and one whose table is
    not there."""
    if dataset.is_record or not (dataset.period and dataset.table and contract.described(connection, dataset.table)):
        return {}
    years = _years(window)
    table = contract.table_of(dataset.table, dataset.table_columns, connection.dialect)
    loaded = ledger.loaded(connection, dataset.name)
    current = {s.partition: s for s in lake.partitions(dataset)}
    damaged = {s.partition: "a file of its current snapshot is gone" for s in lake.damaged(dataset)}
    whole = [s for s in current.values() if s.partition not in damaged and _is_within(s.partition, dataset, years)]
    due = [s for s in whole if loaded.get(s.partition) == s.snapshot]
    stored = connection.fetch(sums.in_sql(table, dataset, years))
    with read_lease(lake, dataset, due) as rows:
        wanted = sums.in_polars(rows, dataset)
    apart = sums.differing(stored, wanted, dataset)
    after = ledger.loaded(connection, dataset.name)
    ours = {s.partition for s in due} | {p for p in _partitions(apart, dataset) if not loaded.get(p)}
    found = {p: text for p, text in _told(apart, dataset).items() if p in ours}
    lost = damaged | _lost(current, loaded)
    found |= {p: text for p, text in lost.items() if _is_within(p, dataset, years)}
    return {p: text for p, text in sorted(found.items()) if after.get(p) == loaded.get(p)}


def _years(window: Window | None) -> Window:
    if window is None:
        return _ALWAYS
    return Window(first=date(window.first.year, 1, 1), last=date(window.last.year, 12, 31))


def _is_within(partition: str, dataset: Dataset, years: Window) -> bool:
    place = dataset.place(partition)
    return place is not None and place[0] is not None and years.first.year <= place[0] <= years.last.year


def _lost(current: Mapping[str, SnapshotRef], loaded: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for partition, snapshot in loaded.items():
        if snapshot != NOTHING and partition not in current:
            found[partition] = "the lake does not have it any more"
        elif snapshot != NOTHING and not current[partition].continues(snapshot):
            found[partition] = "the lake's is older than what was loaded, or was made anew"
    return found


def _partitions(apart: pl.DataFrame, dataset: Dataset) -> list[str]:
    shards = (
        [shard_of(code, dataset.shards) for code in apart.get_column("code")]
        if dataset.shards > 1
        else [0] * apart.height
    )
    return [
        dataset.partition(year or 0, shard) for year, shard in zip(apart.get_column(sums.YEAR), shards, strict=True)
    ]


def _told(apart: pl.DataFrame, dataset: Dataset) -> dict[str, str]:
    groups = sums.groups_of(dataset)
    names = [" ".join(row) or "it" for row in apart.select(groups).rows()] if groups else ["it"] * apart.height
    lines: dict[str, list[str]] = {}
    for partition, name, excess in zip(_partitions(apart, dataset), names, apart.get_column(sums.ROWS), strict=True):
        what = f"{abs(excess)} rows too {'many' if excess > 0 else 'few'}" if excess else "other values"
        lines.setdefault(partition, []).append(f"{name} has {what}")
    return {
        partition: ", ".join(some[:_NAMED]) + (f" and {len(some) - _NAMED} more" if len(some) > _NAMED else "")
        for partition, some in lines.items()
    }
