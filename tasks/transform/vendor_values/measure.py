"""Keeps `published/vendor_measures` up to date with `curated/vendor_values`.

A partition of measures is stale when the snapshots that it was made from are not the current ones any more, or when it
was made with another number of dates, by other formulas, or for another contract."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from tasks.datasets import VENDOR_MEASURES, VENDOR_VALUES
from tasks.errors import ConfigurationError
from tasks.lake import Change, Lake, LostRaceError, SnapshotRef
from tasks.lake.retention.read_leases import read_lease
from tasks.transform import reshape
from tasks.transform.derived import definition, is_stored
from tasks.transform.reshape import trailing_mean


def measure_vendor_values(lake: Lake, dates_in_mean: int, run: str) -> list[SnapshotRef]:
    """Computes the stale partitions anew: the mean of each code's last so many dates. Returns those that changed.

    Where another run measures meanwhile, what it has overtaken is looked at again. Raises LostRaceError if that happens
    again and again."""
    if dates_in_mean < 1:
        raise ConfigurationError(f"A mean of {dates_in_mean} dates has no date in it. Give 1 or more.")
    changed: dict[str, SnapshotRef] = {}
    for _ in range(_RACES):
        try:
            for made, years in _shards(lake):
                changed |= {s.partition: s for s in _measure_shard(lake, made, years, dates_in_mean, run)}
        except _OvertakenError:
            continue
        return list(changed.values())
    raise LostRaceError(f"Other runs measured vendor values {_RACES} times while run {run} tried to. Run again.")


_RACES = 100  # lost one after the other
_Made = Mapping[str, SnapshotRef]  # by partition


class _OvertakenError(Exception):
    """Another run has published measures since this one looked at what there is."""


def _shards(lake: Lake) -> Iterator[tuple[_Made, list[SnapshotRef]]]:
    """The values of each shard of codes by year, and the measures that there were before these were looked up."""
    made = {s.partition: s for s in lake.partitions(VENDOR_MEASURES)}
    shards: dict[str, list[SnapshotRef]] = {}
    for snapshot in sorted(lake.partitions(VENDOR_VALUES), key=lambda s: s.partition):
        shards.setdefault(snapshot.partition.rpartition("/")[2], []).append(snapshot)
    yield from ((made, years) for years in shards.values())


def _measure_shard(lake: Lake, made: _Made, years: Sequence[SnapshotRef], n: int, run: str) -> list[SnapshotRef]:
    """One year after the other, each with what it needs of those before it."""
    changed: list[SnapshotRef] = []
    made_by = (definition(VENDOR_MEASURES, reshape), f"dates={n}")
    wanted = [(*made_by, *(s.snapshot for s in years[: i + 1])) for i in range(len(years))]
    before = [made.get(s.partition) for s in years]
    stale = [i for i, current in enumerate(before) if current is None or current.inputs != wanted[i]]
    needed = years[: max(stale, default=-1) + 1]
    earlier = pl.DataFrame(schema=_ROWS)
    with read_lease(lake, VENDOR_VALUES, needed):
        for i, year in enumerate(needed):
            rows = pl.concat([earlier, lake.read(VENDOR_VALUES, [year]).select(_ROWS.names()).collect()])
            if i in stale:
                changed += _refresh(lake, before[i], year, Change([_measured(rows, n, year)], wanted[i]), run)
            # Not tail(n - 1): of no rows polars makes one of nulls.
            earlier = rows.sort("date").filter(pl.int_range(pl.len(), 0, -1).over("series", "code") < n)
    return changed


def _refresh(
    lake: Lake, before: SnapshotRef | None, values: SnapshotRef, measured: Change, run: str
) -> list[SnapshotRef]:
    def change(current: SnapshotRef | None) -> Change | None:
        if current != before:
            raise _OvertakenError
        if current and is_stored(lake, VENDOR_MEASURES, current, *measured.frames):
            lake.confirm(current, measured.inputs)
            return None
        return measured

    after = lake.update(VENDOR_MEASURES, values.partition, change, run)
    return [after] if after and (before is None or after.snapshot != before.snapshot) else []


def _measured(rows: pl.DataFrame, n: int, year: SnapshotRef) -> pl.DataFrame:
    """Rows of VENDOR_MEASURES: those of the dates that the year's snapshot has, none if all were withdrawn."""
    if year.first is None:
        return VENDOR_MEASURES.polars_schema.to_frame()
    of_series = [
        trailing_mean(some, n).with_columns(series=pl.lit(str(series)))
        for (series,), some in rows.group_by("series", maintain_order=True)
    ]
    measures = pl.concat(of_series).filter(pl.col("date").is_between(year.first, year.last))
    return measures.select(VENDOR_MEASURES.polars_schema.names()).sort(VENDOR_MEASURES.sort)


_ROWS = pl.Schema({n: VENDOR_VALUES.polars_schema[n] for n in ("series", "code", "date", "value")})
