"""What changed in a dataset since the warehouse last saw it: only that is loaded."""

from collections.abc import Iterator, Mapping

import polars as pl

from tasks.datasets import Dataset
from tasks.lake import Lake, SnapshotRef
from tasks.lake.reading import RemovedError, reading
from tasks.load.part import NOTHING, Part


def changes(lake: Lake, dataset: Dataset, loaded: Mapping[str, str]) -> Iterator[Part]:
    """A part for each partition of which the current snapshot is not the one loaded; one is in memory at a time.

    Until the last one is taken, housekeeping leaves what they are read from."""
    due = [s for s in lake.partitions(dataset) if loaded.get(s.partition) != s.snapshot]
    with reading(lake, dataset, due):
        for snapshot in due:
            yield _part(lake, dataset, snapshot, loaded.get(snapshot.partition, NOTHING))


def _part(lake: Lake, dataset: Dataset, snapshot: SnapshotRef, base: str) -> Part:
    """The rows that differ between two snapshots. Where the older one is gone, all rows."""
    columns = list(dataset.table_columns)
    now = lake.read(dataset, [snapshot]).select(columns).collect()
    before = _before(lake, dataset, snapshot, base) if base else None
    if before is None:
        nothing = now.select(dataset.key).clear()
        return Part(snapshot.partition, snapshot.snapshot, now, nothing, base, whole=base != NOTHING)
    return Part(
        partition=snapshot.partition,
        snapshot=snapshot.snapshot,
        changed=now.join(before, on=columns, how="anti", nulls_equal=True, maintain_order="left"),
        deleted=before.select(pl.col(dataset.key)).join(now, on=dataset.key, how="anti"),
        base=base,
    )


def _before(lake: Lake, dataset: Dataset, snapshot: SnapshotRef, base: str) -> pl.DataFrame | None:
    """The rows that the warehouse has, None where their snapshot is gone: it was superseded, and may go at any time."""
    files = tuple(lake.find(dataset, snapshot.partition, base))
    if not files:
        return None
    try:
        with reading(lake, dataset, [snapshot.model_copy(update={"snapshot": base, "files": files})]) as rows:
            return rows.select(list(dataset.table_columns)).collect()
    except RemovedError:
        return None
