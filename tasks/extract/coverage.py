"""Which windows the lake has already: all that was asked for was answered, and all that came is curated."""

from collections.abc import Sequence

import polars as pl

from tasks.datasets import CURATED_WINDOWS, FETCHES, RAW_PRICES
from tasks.extract.prices import ANSWERED, raw_folder
from tasks.lake import Lake
from tasks.window import Window


def missing(lake: Lake, windows: Sequence[Window], codes: Sequence[str] | None) -> list[Window]:
    """The windows that a run for these codes has something to do for. No codes: those asked for so far count as all."""
    return [window for window in windows if not _has(lake, window, codes)]


def _has(lake: Lake, window: Window, codes: Sequence[str] | None) -> bool:
    curated = lake.current(CURATED_WINDOWS, f"window={window}")
    if curated is None:
        return False
    fetches = lake.partitions(FETCHES, raw_folder(window))
    raw = [*lake.partitions(RAW_PRICES, raw_folder(window)), *fetches]
    if set(curated.inputs) != {s.snapshot for s in raw}:
        return False
    last = lake.read(FETCHES, fetches).sort("fetched_at").group_by("code").last()
    outcomes = last.select("code", answered=pl.col("outcome").cast(pl.String).is_in(ANSWERED)).collect()
    if codes is None:
        return outcomes.height > 0 and bool(outcomes.get_column("answered").all())
    return set(codes) <= set(outcomes.filter("answered").get_column("code"))
