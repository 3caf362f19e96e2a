"""Keeps `published/price_measures` up to date with `curated/prices`.

Like make: a partition of measures is stale when the snapshots it was made from are not the current ones any more, or
when it was made by another definition: by other formulas, or for another contract."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

import polars as pl

from tasks.datasets import PRICE_MEASURES, PRICES
from tasks.lake import Change, Lake, SnapshotRef
from tasks.lake.retention.read_leases import read_lease
from tasks.transform import weekly_measures
from tasks.transform.derived import definition, is_stored
from tasks.transform.weekly_measures import WEEKS_IN_RANGE, measures, weekly


def update_measures(lake: Lake, run: str) -> list[SnapshotRef]:
    """Computes the stale partitions anew. Returns those of which the rows changed."""
    made = {s.partition: s.inputs for s in lake.partitions(PRICE_MEASURES)}
    prices = {s.partition: s for s in lake.partitions(PRICES)}
    made_by = definition(PRICE_MEASURES, weekly_measures)
    changed = []
    measured = {PRICE_MEASURES.place(partition) for partition in made}
    for shard in sorted({_shard(s) for s in prices.values()}):
        years = _years([s for s in prices.values() if _shard(s) == shard])
        # Also those of which all prices were withdrawn.
        for year in sorted({*years, *(place[0] for place in measured if place and place[0] and place[1] == shard)}):
            sources = _sources(prices.get, year, shard)
            if made.get(PRICE_MEASURES.partition(year, shard)) != _inputs(made_by, sources):
                changed += _refresh(lake, year, shard, made_by, run)
    return changed


def _shard(snapshot: SnapshotRef) -> int:
    return int(snapshot.partition.rpartition("shard=")[2])


def _years(snapshots: Sequence[SnapshotRef]) -> set[int]:
    """Each year in which a week begins."""
    return {_monday(day).year for s in snapshots for day in (s.first, s.last) if day}


def _inputs(made_by: str, sources: Sequence[SnapshotRef]) -> tuple[str, ...]:
    return (made_by, *(s.snapshot for s in sources))


def _refresh(lake: Lake, year: int, shard: int, made_by: str, run: str) -> list[SnapshotRef]:
    partition = PRICE_MEASURES.partition(year, shard)
    before = lake.current(PRICE_MEASURES, partition)

    def change(current: SnapshotRef | None) -> Change | None:
        # Looked up when `current` is known, so that a slow run does not put old measures in the place of newer ones.
        sources = _sources(lambda partition: lake.current(PRICES, partition), year, shard)
        inputs = _inputs(made_by, sources)
        if current and current.inputs == inputs:
            return None
        with read_lease(lake, PRICES, sources):
            rows = _of_year(lake, year, sources)
        if current and is_stored(lake, PRICE_MEASURES, current, rows):
            lake.confirm(current, inputs)
            return None
        return Change([rows], inputs)

    after = lake.update(PRICE_MEASURES, partition, change, run)
    return [after] if after and (before is None or after.snapshot != before.snapshot) else []


def _sources(current: Callable[[str], SnapshotRef | None], year: int, shard: int) -> list[SnapshotRef]:
    """The snapshots that the measures of a year read: of that year, the one before it and the one after it."""
    first, last = _first_day(year), _last_day(year)
    found = [current(PRICES.partition(y, shard)) for y in (year - 1, year, year + 1)]
    return [s for s in found if s and s.first and s.last and s.first <= last and s.last >= first]


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
    """The first day that the measures of a year read: it begins the trailing weeks of the year's first Monday."""
    return _first_monday(year) - timedelta(weeks=WEEKS_IN_RANGE - 1)


def _last_day(year: int) -> date:
    return _first_monday(year + 1) - timedelta(days=1)


def _first_monday(year: int) -> date:
    return date(year, 1, 1) + timedelta(days=-date(year, 1, 1).weekday() % 7)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
