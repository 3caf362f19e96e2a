"""What changed in a dataset since the warehouse last saw it: only that is loaded."""

from collections.abc import Collection, Iterator, Mapping

import polars as pl

from tasks.datasets import Dataset
from tasks.errors import ContractError
from tasks.lake import Lake, SnapshotRef
from tasks.lake.retention.read_leases import RemovedError, read_lease
from tasks.load.request import NOTHING, Part


def changes(lake: Lake, dataset: Dataset, loaded: Mapping[str, str], again: Collection[str] = ()) -> Iterator[Part]:
    """A part for each partition of which the current snapshot is not the one loaded; one is in memory at a time.

    Those named in `again` are parts too, whole; and so is, empty, one that was loaded and is no longer in the lake.
    Until the last one is taken, housekeeping leaves what they are read from."""
    current = lake.partitions(dataset)
    due = [s for s in current if s.partition in again or loaded.get(s.partition) != s.snapshot]
    with read_lease(lake, dataset, due):
        for snapshot in due:
            yield _part(lake, dataset, snapshot, loaded.get(snapshot.partition, NOTHING), again)
    for partition in sorted({*loaded, *again} - {s.partition for s in current}):
        base = loaded.get(partition, NOTHING)
        if base != NOTHING or partition in again:
            yield _gone(dataset, partition, base)


def _part(lake: Lake, dataset: Dataset, snapshot: SnapshotRef, base: str, again: Collection[str]) -> Part:
    """The rows that differ between two snapshots. All rows where the older one is gone, or the newer one's is not its
    continuation: what was made of a lake that was put back says nothing of what the warehouse has."""
    columns = list(dataset.table_columns)
    now = lake.read(dataset, [snapshot]).select(columns).collect()
    continues = not base or snapshot.continues(base)
    compared = base and continues and snapshot.partition not in again
    before = _before(lake, dataset, snapshot, base) if compared else None
    if before is None:
        nothing = now.select(dataset.key).clear()
        return Part(
            partition=snapshot.partition,
            snapshot=snapshot.snapshot,
            changed=now,
            deleted=nothing,
            base=base,
            whole=base != NOTHING or snapshot.partition in again,
            continues=continues,
            again=snapshot.partition in again,
            rows=snapshot.rows,
        )
    return Part(
        partition=snapshot.partition,
        snapshot=snapshot.snapshot,
        changed=now.join(before, on=columns, how="anti", nulls_equal=True, maintain_order="left"),
        deleted=before.select(pl.col(dataset.key)).join(now, on=dataset.key, how="anti"),
        base=base,
        rows=snapshot.rows,
    )


def _gone(dataset: Dataset, partition: str, base: str) -> Part:
    nothing = dataset.polars_schema.to_frame().select(list(dataset.table_columns))
    keys = nothing.select(dataset.key)
    return Part(partition, NOTHING, nothing, keys, base, whole=True, continues=base == NOTHING, again=True, rows=0)


def _before(lake: Lake, dataset: Dataset, snapshot: SnapshotRef, base: str) -> pl.DataFrame | None:
    """The rows that the warehouse has. None where their snapshot is gone, for it was superseded and may go at any time,
    or cannot be read by the contract that the current one was made by."""
    files = tuple(lake.find(dataset, snapshot.partition, base))
    if not files:
        return None
    older = snapshot.model_copy(update={"snapshot": base, "files": files, "fingerprint": ""})  # its columns are unknown
    try:
        with read_lease(lake, dataset, [older]) as rows:
            return rows.select(list(dataset.table_columns)).collect()
    except (ContractError, RemovedError):
        return None
