"""A small market for tests of the dashboard: a random walk per code, the same every time."""

import math
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from tasks.datasets import DATA_QUALITY, PRICES
from tasks.publish.dashboard import RunFigures
from tasks.window import Window

LAST = date(2025, 3, 14)  # a Friday
WINDOW = Window(first=date(2025, 3, 10), last=LAST)
FIGURES = RunFigures(
    run="calm-falcon",
    window=WINDOW,
    generated_at=datetime(2025, 3, 15, 6, 12, tzinfo=UTC),
    codes_asked=2000,
    codes_fetched=1979,
    codes_empty=21,
    rows_received=12400,
    rows_published=12318,
    rows_quarantined=2,
    rows_duplicates=80,
    rows_revised=31,
    loaded_inserted=9810,
    loaded_updated=31,
)
CHECKS = (("completeness", "error", 0.99), ("jumps", "warning", 5.0), ("ohlc_order", "error", None))


def prices_of(codes: Sequence[str], sessions: int = 400) -> pl.DataFrame:
    """The columns of `prices` without `fetched_at`: so many sessions up to LAST, Mondays to Fridays."""
    back = (LAST - timedelta(days=n) for n in range(sessions * 2))
    days = sorted([day for day in back if day.weekday() < 5][:sessions])
    frames = [_walk(code, days) for code in codes]
    schema = pl.Schema({name: dtype for name, dtype in PRICES.polars_schema.items() if name != "fetched_at"})
    return pl.concat([schema.to_frame(), *frames], how="diagonal_relaxed")


def measures_of(prices: pl.DataFrame) -> pl.DataFrame:
    """The columns of `price_measures`."""
    close = pl.col("adjusted_close")
    last = [pl.col(name).last() for name in ("session", "close", "adjusted_close")]
    return (
        prices.sort("code", "date")
        .with_columns(pl.col("date").dt.truncate("1w").alias("week"), pl.col("date").alias("session"))
        .group_by("code", "week", maintain_order=True)
        .agg(last)
        .with_columns(
            close.rolling_mean(10, min_samples=1).over("code").alias("average_10w"),
            pl.int_range(1, pl.len() + 1).clip(upper_bound=10).over("code").cast(pl.Int64).alias("weeks_in_average"),
            close.pct_change().over("code").alias("return_1w"),
            close.pct_change().rolling_std(10, min_samples=2).over("code").alias("volatility_10w"),
            close.rolling_max(52, min_samples=1).over("code").alias("high_52w"),
            close.rolling_min(52, min_samples=1).over("code").alias("low_52w"),
        )
    )


def quality_of(windows: int, failing: Sequence[str] = (), detail: str = "") -> pl.DataFrame:
    """The columns of `data_quality`: so many weekly windows up to WINDOW, in which the named checks fail."""
    rows = []
    for ago in range(windows):
        first, last = WINDOW.first - timedelta(weeks=ago), WINDOW.last - timedelta(weeks=ago)
        for number, (check, severity, threshold) in enumerate(CHECKS):
            passed = check not in failing or ago > 0
            value = threshold if threshold is None else threshold + (ago + number) % 4 / 100
            rows.append((first, last, "prices", check, severity, passed, value, threshold, detail))
    return pl.DataFrame(rows, schema=DATA_QUALITY.polars_schema, orient="row")


def _walk(code: str, days: Sequence[date]) -> pl.DataFrame:
    chance = random.Random(code)
    closes, close = [], chance.choice([3.0, 25.0, 240.0])
    for _ in days:
        close *= math.exp(chance.gauss(0.0003, 0.016))
        closes.append(close)
    frame = pl.DataFrame({"code": code, "date": days, "adjusted_close": closes, "volume": 1000})
    bars = {"open": 0.99, "high": 1.01, "low": 0.98, "close": 1.0}
    return frame.select(
        "code", "date", *((pl.col("adjusted_close") * f).alias(n) for n, f in bars.items()), "adjusted_close", "volume"
    )
