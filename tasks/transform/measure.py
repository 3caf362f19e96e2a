"""Keeps `published/price_measures` up to date with `curated/prices`.

Like make: a partition of measures is stale when the snapshots it was made from are not the current ones any more."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import polars as pl

from tasks.datasets import PRICE_MEASURES, PRICES
from tasks.lake import Change, Lake, SnapshotRef
from tasks.transform.measures import WEEKS_IN_RANGE, measures, weekly


def measure(lake: Lake, run: str) -> list[SnapshotRef]:
    """Computes the stale partitions anew. Returns those of which the rows changed."""
    shards: dict[int, list[SnapshotRef]] = {}
    for snapshot in lake.partitions(PRICES):
        shards.setdefault(_shard(snapshot), []).append(snapshot)
    changed = []
    for shard, snapshots in sorted(shards.items()):
        for year, sources in _years(snapshots):
            changed += _refresh(lake, year, shard, sources, run)
    return changed


def _shard(snapshot: SnapshotRef) -> int:
    return int(snapshot.partition.rpartition("shard=")[2])


def _years(snapshots: Sequence[SnapshotRef]) -> Iterator[tuple[int, list[SnapshotRef]]]:
    """Each year in which a week begins, and the snapshots that its measures read."""
    spans = [(s, _monday(s.first), _monday(s.last)) for s in snapshots if s.first and s.last]
    for year in sorted({monday.year for _, first, last in spans for monday in (first, last)}):
        first, last = _first_day(year), _last_day(year)
        yield year, [s for s, _, _ in spans if s.first and s.last and s.first <= last and s.last >= first]


def _refresh(lake: Lake, year: int, shard: int, sources: Sequence[SnapshotRef], run: str) -> list[SnapshotRef]:
    inputs = tuple(s.snapshot for s in sources)
    before = lake.current(PRICE_MEASURES, PRICE_MEASURES.partition(year, shard))
    if before and before.inputs == inputs:
        return []

    def change(current: SnapshotRef | None) -> Change | None:
        rows = _of_year(lake, year, sources)
        if current and lake.read(PRICE_MEASURES, [current]).collect().equals(rows):
            lake.confirm(current, inputs)
            return None
        return Change([rows], inputs)

    after = lake.update(PRICE_MEASURES, PRICE_MEASURES.partition(year, shard), change, run)
    return [after] if after and (before is None or after.snapshot != before.snapshot) else []


def _of_year(lake: Lake, year: int, sources: Sequence[SnapshotRef]) -> pl.DataFrame:
    daily = (
        lake.read(PRICES, sources)
        .filter(pl.col("date").is_between(_first_day(year), _last_day(year)))
        .select("code", "date", "high", "low", "close", "adjusted_close")
    )
    return (
        measures(weekly(daily))
        .filter(pl.col("week").dt.year() == year)
        .select(PRICE_MEASURES.polars_schema.names())
        .sort(PRICE_MEASURES.sort)
        .collect()
    )


def _first_day(year: int) -> date:
    """Of the days that the measures of a year read: the trailing weeks of its first Monday."""
    return _first_monday(year) - timedelta(weeks=WEEKS_IN_RANGE - 1)


def _last_day(year: int) -> date:
    return _first_monday(year + 1) - timedelta(days=1)


def _first_monday(year: int) -> date:
    return date(year, 1, 1) + timedelta(days=-date(year, 1, 1).weekday() % 7)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
