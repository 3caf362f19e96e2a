"""How many codes of a window had which outcome."""

import polars as pl

from tasks.datasets import FETCHES
from tasks.lake import Lake
from tasks.window import Window


def count_outcomes(lake: Lake, window: Window) -> dict[str, int]:
    """Codes by the outcome of their last fetch for this window."""
    fetches = lake.read(FETCHES, lake.partitions(FETCHES, f"window={window}/"))
    last = fetches.sort("fetched_at").group_by("code").agg(pl.col("outcome").cast(pl.String).last())
    return dict(last.group_by("outcome").len().collect().iter_rows())
