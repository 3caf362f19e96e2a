"""What changed in a dataset since the warehouse last saw it: only that is loaded."""

from collections.abc import Iterator, Mapping

import polars as pl

from tasks.datasets import Dataset
from tasks.lake import Lake, SnapshotRef
from tasks.load.part import NOTHING, Part


def changes(lake: Lake, dataset: Dataset, loaded: Mapping[str, str]) -> Iterator[Part]:
    """A part for each partition of which the current snapshot is not the one loaded; one is in memory at a time."""
    for snapshot in lake.partitions(dataset):
        if loaded.get(snapshot.partition) != snapshot.snapshot:
            yield _part(lake, dataset, snapshot, loaded.get(snapshot.partition, NOTHING))


def _part(lake: Lake, dataset: Dataset, snapshot: SnapshotRef, base: str) -> Part:
    """The rows that differ between two snapshots. Where the older one is gone, all rows: an upsert finds those."""
    columns = list(dataset.table_columns)
    now = lake.read(dataset, [snapshot]).select(columns).collect()
    files = lake.find(dataset, snapshot.partition, base) if base else []
    if not files:
        return Part(snapshot.partition, snapshot.snapshot, now, now.select(dataset.key).clear(), base)
    before = lake.scan(dataset, files).select(columns).collect()
    return Part(
        partition=snapshot.partition,
        snapshot=snapshot.snapshot,
        changed=now.join(before, on=columns, how="anti", nulls_equal=True, maintain_order="left"),
        deleted=before.select(pl.col(dataset.key)).join(now, on=dataset.key, how="anti"),
        base=base,
    )
