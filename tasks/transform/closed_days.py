"""Bars of days on which their exchange was closed: one such bar would become its week's close.

The exchange's own calendar says so, and most of its codes may overrule that: a calendar does not know of a Saturday
that was made up for, and the source is right."""

from collections.abc import Collection, Sequence
from datetime import date

import polars as pl

from tasks.datasets import PRICES, RAW_PRICES
from tasks.lake import Lake, SnapshotRef
from tasks.lake.retention.read_leases import read_lease
from tasks.sessions.trading_days import LONGEST_CLOSING, is_closed, sessions
from tasks.transform.raw_bars import read_day, read_exchange

_FEWEST = 10  # codes that overrule a calendar


def closed_days(lake: Lake, raw: Sequence[SnapshotRef], ignored: Collection[str] = ()) -> pl.DataFrame:
    """`exchange, day`: days of the raw bars that are none of trading. Of exchanges that are `ignored`, no day is.

    A day is one of trading if ten codes or more have a bar on it, received or stored, and more than half as many as on
    the session before it."""
    received = lake.read(RAW_PRICES, raw).select("code", day=read_day(pl.col("date")), exchange=read_exchange())
    days = received.select("exchange", "day").drop_nulls().unique().sort("exchange", "day").collect()
    left_out = {name.upper() for name in ignored}
    found = [(name, day) for name, day in days.rows() if name not in left_out and is_closed(name, day)]
    closed = [(name, day) for name, day in found if not _is_traded(lake, received, name, day)]
    return pl.DataFrame(closed, schema={"exchange": pl.String, "day": pl.Date}, orient="row")


def _is_traded(lake: Lake, received: pl.LazyFrame, exchange: str, day: date) -> bool:
    before = sessions(exchange, day - LONGEST_CLOSING, day)[-1:]
    near = [
        s
        for s in lake.partitions(PRICES)
        if s.first and s.last and s.first <= day and s.last >= min(before, default=day)
    ]
    with read_lease(lake, PRICES, near) as prices:
        stored = prices.select(pl.col("code").cast(pl.String), day="date", exchange=read_exchange())
        bars = pl.concat([received, stored]).filter(pl.col("exchange") == exchange, pl.col("day").is_in([day, *before]))
        codes = dict(bars.unique(["code", "day"]).group_by("day").len().collect().rows())
    there: int = codes.get(day, 0)
    return there >= _FEWEST and there > sum(codes.get(d, 0) for d in before) / 2
