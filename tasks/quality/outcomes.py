"""What became of the codes that were asked for."""

from collections.abc import Sequence

import polars as pl

from tasks.datasets import FETCHES
from tasks.lake import Lake, SnapshotRef
from tasks.lake.reading import reading
from tasks.quality.checks import MISSING
from tasks.window import Window


def last_outcomes(lake: Lake, fetches: Sequence[SnapshotRef]) -> pl.DataFrame:
    """`code, outcome, reason`: the last attempt at each code; one of whose parts the last failed is one that failed."""
    parts: dict[str, list[SnapshotRef]] = {}
    for snapshot in fetches:
        parts.setdefault(snapshot.partition.rpartition("/")[2].partition("=")[0], []).append(snapshot)
    with reading(lake, FETCHES, fetches):
        last = [lake.read(FETCHES, part).sort("fetched_at").group_by("code").last() for part in parts.values()]
        return (
            pl.concat([lake.read(FETCHES, []), *last])
            .with_columns(pl.col("outcome").cast(pl.String))
            .sort(pl.col("outcome").is_in(MISSING), "fetched_at")
            .group_by("code")
            .last()
            .select("code", "outcome", "reason")
            .collect()
        )


def fetches_within(lake: Lake, window: Window) -> list[SnapshotRef]:
    """Of all runs whose windows have a day in common with this one."""
    found = []
    for snapshot in lake.partitions(FETCHES):
        asked = Window.parse(snapshot.partition.partition("/")[0].removeprefix("window="))
        if asked.first <= window.last and asked.last >= window.first:
            found.append(snapshot)
    return found
