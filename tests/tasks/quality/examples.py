"""Prices in a lake, for tests of the checks."""

from datetime import UTC, date, datetime, timedelta

import polars as pl

from tasks.datasets import PRICES, Dataset, shard_of
from tasks.lake import Change, Lake

FETCHED = datetime(2024, 1, 15, tzinfo=UTC)
CODES = ("AAPL.US", "MSFT.US", "AMZN.US", "TSLA.US", "VTI.US", "IBM.US")


def prices(first: date, last: date, codes: tuple[str, ...] = CODES) -> pl.DataFrame:
    """A flat price on each weekday."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    frame = pl.DataFrame({"code": codes}).join(
        pl.DataFrame({"date": [d for d in days if d.weekday() < 5]}), how="cross"
    )
    ohlc = {name: pl.lit(10.0) for name in ("open", "high", "low", "close", "adjusted_close")}
    return frame.with_columns(**ohlc, volume=pl.lit(5, pl.Int64), fetched_at=pl.lit(FETCHED)).select(
        PRICES.polars_schema.names()
    )


def put(lake: Lake, dataset: Dataset, partition: str, frame: pl.DataFrame) -> None:
    lake.update(dataset, partition, lambda _: Change([frame], ()), "test")


def store(lake: Lake, rows: pl.DataFrame) -> None:
    parts = rows.with_columns(
        year=pl.col("date").dt.year(), shard=pl.col("code").map_elements(lambda c: shard_of(c, PRICES.shards), pl.Int64)
    )
    for (year, shard), some in parts.group_by("year", "shard"):
        frame = some.drop("year", "shard").cast(PRICES.polars_schema).sort(PRICES.sort)
        put(lake, PRICES, PRICES.partition(int(str(year)), int(str(shard))), frame)
