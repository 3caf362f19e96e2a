"""Which windows of a backfill the lake has already, for all that was asked for was answered, and all that came is
curated; which days of those are fetched again; and which codes a window has."""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from tasks.datasets import CURATED_WINDOWS, FETCHES, PRICES, RAW_PRICES
from tasks.extract.prices.plan import ANSWERED, raw_folder
from tasks.lake import Lake
from tasks.lake.fetches import last_attempts
from tasks.lake.retention.read_leases import read_lease
from tasks.window import Window

_SEAM = 7  # days


def missing(lake: Lake, windows: Sequence[Window], codes: Sequence[str] | None) -> list[Window]:
    """The windows that a run for these codes has something to do for. No codes: those asked for so far count as all."""
    return [window for window in windows if not _has(lake, window, codes)]


def seams(windows: Sequence[Window], fetched: Sequence[Window]) -> list[Window]:
    """The last days of each window that was in the lake already, beside one that was fetched now.

    The source may have restated the older one's adjusted closes since: fetching these days again shows it."""
    found = []
    for window, after in zip(windows, [*windows[1:], None], strict=True):
        before = windows[windows.index(window) - 1] if window != windows[0] else None
        if window not in fetched and (before in fetched or after in fetched):
            found.append(Window(first=max(window.first, window.last - timedelta(days=_SEAM - 1)), last=window.last))
    return found


def stored_codes(lake: Lake, exchange: str, window: Window) -> list[str]:
    """The exchange's codes that have a row in the window."""
    near = [
        s for s in lake.partitions(PRICES) if s.first and s.last and s.first <= window.last and s.last >= window.first
    ]
    with read_lease(lake, PRICES, near) as prices:
        within = pl.col("date").is_between(window.first, window.last)
        of_exchange = pl.col("code").str.ends_with(f".{exchange.upper()}")
        return prices.filter(within, of_exchange).select(pl.col("code").unique().sort()).collect().to_series().to_list()


def _has(lake: Lake, window: Window, codes: Sequence[str] | None) -> bool:
    curated = lake.current(CURATED_WINDOWS, f"window={window}")
    if curated is None:
        return False
    fetches = lake.partitions(FETCHES, raw_folder(window))
    raw = [*lake.partitions(RAW_PRICES, raw_folder(window)), *fetches]
    if set(curated.inputs) != {s.snapshot for s in raw}:
        return False
    last = last_attempts(lake, fetches)
    outcomes = last.select("code", answered=pl.col("outcome").cast(pl.String).is_in(ANSWERED)).collect()
    if codes is None:
        return outcomes.height > 0 and bool(outcomes.get_column("answered").all())
    return set(codes) <= set(outcomes.filter("answered").get_column("code"))
