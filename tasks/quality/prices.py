"""The checks of `curated/prices` over a window of any length, one shard and year of them in memory at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from tasks.datasets import PRICES
from tasks.lake import Lake, SnapshotRef
from tasks.lake.retention.read_leases import read_lease
from tasks.quality import calendar, checks
from tasks.quality.adjustment import adjustment, find_steps
from tasks.quality.checks import Check, Limits
from tasks.sessions.closing_times import AsOf
from tasks.sessions.trading_days import exchange_of, last_session
from tasks.window import Window

_SESSIONS_BEFORE = timedelta(weeks=10)  # that a window's rows are counted against


def judge_prices(
    lake: Lake,
    window: Window,
    outcomes: pl.DataFrame,
    limits: Limits,
    as_of: AsOf | None = None,
    *,
    stored: bool = False,
) -> list[Check]:
    """Ten checks. `outcomes` are those of the codes that were asked for, as `last_outcomes` gives them.

    No session is expected that was not over as of then; without it, all are.

    Their bars are judged; with `stored` also those of all other codes that are there."""
    near = [s for s in lake.partitions(PRICES) if _overlap(s, window)]
    with read_lease(lake, PRICES, near) as prices:
        names = outcomes.get_column("code")
        if stored:
            there = prices.filter(_is_near(window)).select(pl.col("code").cast(pl.String).unique()).collect()
            names = pl.concat([names, there.get_column("code")]).unique()
        codes = _with_exchange(names)
        facts = [
            _facts(bars, part, window, limits)
            for part in window.by_years(1)
            for bars in _shards(lake, near, part, codes)
        ]
    expected = _expected(codes, window, as_of)
    per_session = _gathered([f.per_session for f in facts]).group_by("exchange", "date").agg(pl.col("rows").sum())
    spans = _gathered([f.spans for f in facts]).group_by("code", "exchange").agg(pl.min("first"), pl.max("last"))
    latest = spans.filter(pl.col("last") >= window.first).select("code", "exchange", date="last")
    standing = _gathered([f.standstills for f in facts]).unique(["code"], keep="last", maintain_order=True)
    return [
        checks.completeness(outcomes, limits.codes_silent),
        checks.freshness(latest, expected),
        checks.duplicates(sum(f.repeated for f in facts)),
        checks.ohlc_order(_gathered([f.disordered for f in facts]), sum(f.bars for f in facts)),
        checks.jumps(_gathered([f.jumps for f in facts])),
        checks.row_count(per_session, expected, window.first),
        calendar.lacking(per_session, spans, window, limits.codes_missing),
        calendar.off_session(_gathered([f.off_session for f in facts])),
        checks.standstill(standing, limits.standstill),
        adjustment(_gathered([f.steps for f in facts]), limits.adjustment),
    ]


def _with_exchange(codes: pl.Series) -> pl.DataFrame:
    exchanges = [exchange_of(code) for code in codes]
    return pl.DataFrame({"code": codes, "exchange": exchanges}, schema={"code": pl.String, "exchange": pl.String})


def _expected(codes: pl.DataFrame, window: Window, as_of: AsOf | None) -> pl.DataFrame:
    """`exchange, expected`: the last session of each exchange in the window that is over, null where there is none."""
    exchanges = codes.get_column("exchange").unique().sort()
    over = [min(window.last, as_of.last_day(exchange)) if as_of else window.last for exchange in exchanges]
    last = [last_session(exchange, day) for exchange, day in zip(exchanges, over, strict=True)]
    expected = pl.Series([day if day >= window.first else None for day in last], dtype=pl.Date)
    return pl.DataFrame({"exchange": exchanges, "expected": expected})


@dataclass(frozen=True)
class _Facts:
    """What the checks need to know of one shard of codes in a part of the window."""

    bars: int
    repeated: int
    spans: pl.DataFrame  # code, exchange, first, last: also of the weeks before the window
    disordered: pl.DataFrame  # code, date
    jumps: pl.DataFrame  # code, date, change
    per_session: pl.DataFrame  # exchange, date, rows: as `spans`
    off_session: pl.DataFrame  # code, date
    standstills: pl.DataFrame  # code, date, sessions
    steps: pl.DataFrame  # code, date, step


def _facts(prices: pl.DataFrame, part: Window, window: Window, limits: Limits) -> _Facts:
    is_within = pl.col("date") >= part.first
    within = prices.filter(is_within)
    counted = prices if part.first == window.first else within  # also the sessions before the window, once
    return _Facts(
        bars=within.height,
        repeated=checks.count_repeated(within),
        spans=counted.group_by("code", "exchange").agg(first=pl.col("date").min(), last=pl.col("date").max()),
        disordered=checks.find_disordered(within),
        jumps=checks.find_jumps(prices).filter(is_within),
        per_session=counted.group_by("exchange", "date").agg(rows=pl.len()),
        off_session=calendar.find_off_session(within),
        standstills=checks.find_standstills(prices, limits.standstill).filter(is_within),
        steps=find_steps(prices, limits.adjustment).filter(is_within),
    )


def _shards(lake: Lake, near: Sequence[SnapshotRef], part: Window, codes: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Bars of these codes in the part and the weeks before it, with their exchange, shard by shard."""
    some = [s for s in near if _overlap(s, part)]
    for shard in range(PRICES.shards):
        yield (
            lake.read(PRICES, [s for s in some if s.partition.endswith(f"shard={shard}")])
            .filter(_is_near(part))
            .drop("fetched_at")
            .join(codes.lazy(), on="code")
            .collect()
        )


def _overlap(snapshot: SnapshotRef, window: Window) -> bool:
    first, last = snapshot.first, snapshot.last
    return bool(first and last and first <= window.last and last >= window.first - _SESSIONS_BEFORE)


def _is_near(window: Window) -> pl.Expr:
    return pl.col("date").is_between(window.first - _SESSIONS_BEFORE, window.last)


def _gathered(found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All rows, in the order of their first columns."""
    together = pl.concat(found)
    return together.sort(together.columns[:2])
