"""Keeps `published/vendor_measures` up to date with `curated/vendor_values`.

A partition of measures is stale when the snapshots that it was made from are not the current ones any more, or when it
was made with another number of dates."""

from collections.abc import Sequence

import polars as pl

from tasks.datasets import VENDOR_MEASURES, VENDOR_VALUES
from tasks.errors import ConfigurationError
from tasks.lake import Change, Lake, SnapshotRef
from tasks.transform.reshape import trailing_mean


def measure_vendor_values(lake: Lake, dates_in_mean: int, run: str) -> list[SnapshotRef]:
    """Computes the stale partitions anew: the mean of each code's last so many dates. Returns those that changed."""
    if dates_in_mean < 1:
        raise ConfigurationError(f"A mean of {dates_in_mean} dates has no date in it. Give 1 or more.")
    shards: dict[str, list[SnapshotRef]] = {}
    for snapshot in sorted(lake.partitions(VENDOR_VALUES), key=lambda s: s.partition):
        shards.setdefault(snapshot.partition.rpartition("/")[2], []).append(snapshot)
    return [changed for years in shards.values() for changed in _measure_shard(lake, years, dates_in_mean, run)]


def _measure_shard(lake: Lake, years: Sequence[SnapshotRef], n: int, run: str) -> list[SnapshotRef]:
    """One year after the other, each with what it needs of those before it."""
    changed: list[SnapshotRef] = []
    wanted = [(f"dates={n}", *(s.snapshot for s in years[: i + 1])) for i in range(len(years))]
    made = [lake.current(VENDOR_MEASURES, s.partition) for s in years]
    stale = [i for i, current in enumerate(made) if current is None or current.inputs != wanted[i]]
    earlier = pl.DataFrame(schema=_ROWS)
    for i in range(max(stale, default=-1) + 1):
        rows = pl.concat([earlier, lake.read(VENDOR_VALUES, [years[i]]).select(_ROWS.names()).collect()])
        if i in stale:
            changed += _refresh(lake, years[i], _measured(rows, n, years[i]), wanted[i], run)
        earlier = rows.sort("date").group_by("series", "code", maintain_order=True).tail(n - 1)
    return changed


def _refresh(
    lake: Lake, values: SnapshotRef, rows: pl.DataFrame, inputs: tuple[str, ...], run: str
) -> list[SnapshotRef]:
    before = lake.current(VENDOR_MEASURES, values.partition)

    def change(current: SnapshotRef | None) -> Change | None:
        if current and lake.read(VENDOR_MEASURES, [current]).collect().equals(rows):
            lake.confirm(current, inputs)
            return None
        return Change([rows], inputs)

    after = lake.update(VENDOR_MEASURES, values.partition, change, run)
    return [after] if after and (before is None or after.snapshot != before.snapshot) else []


def _measured(rows: pl.DataFrame, n: int, year: SnapshotRef) -> pl.DataFrame:
    """Rows of VENDOR_MEASURES: those of the dates that the year's snapshot has."""
    of_series = [
        trailing_mean(some, n).with_columns(series=pl.lit(str(series)))
        for (series,), some in rows.group_by("series", maintain_order=True)
    ]
    measures = pl.concat(of_series).filter(pl.col("date").is_between(year.first, year.last))
    return measures.select(VENDOR_MEASURES.polars_schema.names()).sort(VENDOR_MEASURES.sort)


_ROWS = pl.Schema({n: VENDOR_VALUES.polars_schema[n] for n in ("series", "code", "date", "value")})
