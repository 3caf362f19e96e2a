"""What became of the codes that were asked for: the one reading of `raw/fetches` that checks and summaries go by."""

from collections.abc import Iterable, Sequence

import polars as pl

from tasks.datasets import FETCHES
from tasks.lake.lake import Lake
from tasks.lake.retention.read_leases import read_lease
from tasks.lake.snapshots.reference import SnapshotRef
from tasks.window import Window

MISSING = ("missing", "unknown", "refused", "failed")  # outcomes of a code that no usable answer came for
ANSWERED = pl.col("outcome").cast(pl.String).is_in(["fetched", "empty"])  # by a source that knows the code
# What became of a code. An empty answer with a reason is one for a code that trades: `missing`.
OUTCOME = (
    pl.when((pl.col("outcome").cast(pl.String) == "empty") & pl.col("reason").is_not_null())
    .then(pl.lit("missing"))
    .otherwise(pl.col("outcome").cast(pl.String))
    .alias("outcome")
)


def last_attempts(lake: Lake, fetches: Sequence[SnapshotRef]) -> pl.LazyFrame:
    """The last row of each code in these snapshots."""
    return lake.read(FETCHES, fetches).sort("fetched_at").group_by("code").last()


def by_part(snapshots: Iterable[SnapshotRef]) -> dict[str, list[SnapshotRef]]:
    """Snapshots of `raw/prices` or `raw/fetches` by what they are of: `window`, `witness`, `history`."""
    parts: dict[str, list[SnapshotRef]] = {}
    for snapshot in snapshots:
        parts.setdefault(snapshot.partition.rpartition("/")[2].partition("=")[0], []).append(snapshot)
    return parts


def last_outcomes(lake: Lake, fetches: Sequence[SnapshotRef]) -> pl.DataFrame:
    """`code, outcome, reason`: the last attempt at each code in the window; one of whose parts failed is that part."""
    attempts = [
        last_attempts(lake, some).with_columns(of_window=pl.lit(value=part == "window"))
        for part, some in by_part(fetches).items()
    ]
    with read_lease(lake, FETCHES, fetches):
        return (
            pl.concat([lake.read(FETCHES, []).with_columns(of_window=pl.lit(value=True)), *attempts])
            .with_columns(OUTCOME)
            .sort(pl.col("outcome").is_in(MISSING), "of_window", "fetched_at")
            .group_by("code")
            .last()
            .select("code", "outcome", "reason")
            .collect()
        )


def count_outcomes(lake: Lake, window: Window) -> dict[str, int]:
    """How many codes of a run's window had which outcome."""
    outcomes = last_outcomes(lake, lake.partitions(FETCHES, f"window={window}/"))
    return dict(outcomes.group_by("outcome").len().iter_rows())


def fetches_within(lake: Lake, window: Window) -> list[SnapshotRef]:
    """The fetches of all runs whose windows have a day in common with this one."""
    found = []
    for snapshot in lake.partitions(FETCHES):
        asked = Window.parse(snapshot.partition.partition("/")[0].removeprefix("window="))
        if asked.first <= window.last and asked.last >= window.first:
            found.append(snapshot)
    return found
