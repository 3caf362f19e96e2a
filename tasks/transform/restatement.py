"""Finds codes whose history the source has restated.

After a split or a dividend the source adjusts all earlier closes of the code. A run that fetches one week sees that in
the days which it fetches again; unless the rest of the history is fetched again too, the series breaks in two."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from tasks.datasets import PRICES, RAW_PRICES
from tasks.lake import Lake, SnapshotRef
from tasks.lake.reading import reading
from tasks.transform.judge import read_day
from tasks.window import Window

_ROUNDING = 2e-4  # the source rounds adjusted closes to four decimals


def restated(lake: Lake, window: Window, raw: Sequence[SnapshotRef]) -> dict[str, date]:
    """Codes with an older history in the lake that these raw bars contradict, and the first date of that history.

    A code is restated if on the first day that both have, the source adjusts the close by another factor than it did:
    all days before what happened are adjusted by the same, so the first one tells."""
    stored = lake.partitions(PRICES)
    found: dict[str, date] = {}
    with reading(lake, RAW_PRICES, raw) as bars, reading(lake, PRICES, stored):
        for shard in range(PRICES.shards):
            known = [s for s in stored if s.partition.endswith(f"/shard={shard}")]
            if older := [s for s in known if s.first and s.first < window.first]:
                again = bars.filter(pl.col("shard") == shard)
                codes = _contradicted(again, lake.read(PRICES, _within(known, window)), window)
                found |= _first_dates(lake.read(PRICES, older), codes, window)
    return found


def _contradicted(raw: pl.LazyFrame, known: pl.LazyFrame, window: Window) -> pl.Series:
    """Codes of one shard."""
    both = (
        _usable(raw)
        .join(known.filter(pl.col("date").is_between(window.first, window.last)), on=["code", "date"], suffix="_stored")
        .filter(pl.col("date") == pl.col("date").min().over("code"))
        .sort("fetched_at", maintain_order=True)
        .unique("code", keep="last", maintain_order=True)
    )
    expected = pl.col("adjusted_close_stored") * pl.col("close") / pl.col("close_stored")
    changed = (pl.col("adjusted_close") - expected).abs() > _ROUNDING + 1e-5 * expected
    return both.filter(changed).select("code").collect().get_column("code")


def _usable(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Bars with a date and prices that a factor can be worked out from: what goes to quarantine tells nothing."""
    prices = pl.col("close", "adjusted_close")
    return raw.with_columns(date=read_day(pl.col("date"))).filter(
        pl.col("date").is_not_null(), pl.all_horizontal(prices.is_finite() & (prices > 0))
    )


def _first_dates(older: pl.LazyFrame, codes: pl.Series, window: Window) -> dict[str, date]:
    if codes.is_empty():
        return {}
    first = (
        older.filter(pl.col("code").is_in(codes.implode()))
        .group_by("code")
        .agg(pl.col("date").min())
        .filter(pl.col("date") < window.first)
        .sort("code")
        .collect()
    )
    return dict(first.iter_rows())


def _within(snapshots: Sequence[SnapshotRef], window: Window) -> list[SnapshotRef]:
    return [s for s in snapshots if s.first and s.last and s.first <= window.last and s.last >= window.first]
