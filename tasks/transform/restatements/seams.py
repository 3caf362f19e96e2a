"""Where a history was fetched on different days, the source may have restated the older part of it in between."""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain

import polars as pl

from tasks.coverage.stored import is_curated
from tasks.datasets import FETCHES, PRICES
from tasks.lake import Lake
from tasks.lake.fetches import ANSWERED, by_part, last_attempts
from tasks.lake.retention.read_leases import read_lease
from tasks.window import Window


def seams(lake: Lake, span: Window, windows: Sequence[Window], zone: str) -> dict[str, Window]:
    """Codes that were fetched for these windows, have days that were fetched on another day, and were not compared
    since; with the day to ask for: the first of those fetched first, for what happens changes all days before it.

    Days of fetching are the zone's. What was compared is kept as the witnesses of the span, see `restatement`."""
    fetched = _last(lake, windows, "window")
    compared = _last(lake, [span], "witness") if is_curated(lake, span) else {}
    codes = [code for code, at in fetched.items() if code not in compared or compared[code] < at]
    found: dict[str, Window] = {}
    stored = lake.partitions(PRICES)
    with read_lease(lake, PRICES, stored):
        for shard in range(PRICES.shards):
            rows = lake.read(PRICES, [s for s in stored if s.partition.endswith(f"/shard={shard}")])
            for code, day in _oldest(rows.filter(pl.col("code").cast(pl.String).is_in(codes)), zone).iter_rows():
                found[code] = Window(first=day, last=day)
    return dict(sorted(found.items()))


def _oldest(rows: pl.LazyFrame, zone: str) -> pl.DataFrame:
    """`code, date`: the first day of those that were fetched first, of codes that were fetched on several days."""
    fetched_on = pl.col("fetched_at").dt.convert_time_zone(zone).dt.date()
    return (
        rows.select(pl.col("code").cast(pl.String), "date", on=fetched_on)
        .group_by("code")
        .agg(pl.col("date").filter(pl.col("on") == pl.col("on").min()).min(), days=pl.col("on").n_unique())
        .filter(pl.col("days") > 1)
        .select("code", "date")
        .collect()
    )


def _last(lake: Lake, windows: Sequence[Window], part: str) -> dict[str, datetime]:
    """When the bars of each code came last, of this part of the windows."""
    fetches = list(
        chain.from_iterable(by_part(lake.partitions(FETCHES, f"window={w}/")).get(part, []) for w in windows)
    )
    with read_lease(lake, FETCHES, fetches):
        rows = last_attempts(lake, fetches).filter(ANSWERED)
        return dict(rows.select("code", "fetched_at").collect().iter_rows())
