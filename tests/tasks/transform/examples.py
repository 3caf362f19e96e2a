"""Raw bars as the extraction publishes them, and what is in a lake in the end."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import polars as pl

from tasks.datasets import FETCHES, PRICES, QUARANTINED_PRICES, RAW_PRICES, Dataset, shard_of
from tasks.extract.sample_market import SimulatedMarket
from tasks.lake import Change, Lake
from tasks.transform.curate import Figures, curate
from tasks.window import Window

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
WINDOW = Window(first=date(2024, 1, 1), last=date(2024, 1, 31))


def at(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


def raw_row(
    code: str = "A.US", day: str | None = "2024-01-02", fetched: float = 0, **values: float | None
) -> pl.DataFrame:
    """A row of RAW_PRICES, sound but for what is said otherwise."""
    sound = dict.fromkeys(["open", "high", "low", "close", "adjusted_close"], 10.0) | {"volume": 100.0}
    row = {"shard": shard_of(code, RAW_PRICES.shards), "code": code, "date": day, "fetched_at": at(fetched)}
    return pl.DataFrame([row | sound | values], schema=RAW_PRICES.polars_schema)


def raw_rows(*frames: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([RAW_PRICES.polars_schema.to_frame(), *frames])


def market_rows(market: SimulatedMarket, codes: Iterable[str], window: Window, fetched: float = 0) -> pl.DataFrame:
    """Rows of RAW_PRICES, as the market tells them on its `as_of`."""
    bars = {code: market.bars(code, window.first, window.last) for code in codes}
    frames = [b.with_columns(code=pl.lit(code)) for code, b in bars.items() if b is not None and b.height]
    together = pl.concat(frames).with_columns(
        pl.col("date").cast(pl.String), pl.col("volume").cast(pl.Float64), fetched_at=pl.lit(at(fetched))
    )
    columns = RAW_PRICES.polars_schema
    shards = pl.DataFrame({"code": list(bars), "shard": [shard_of(code, RAW_PRICES.shards) for code in bars]})
    return together.join(shards, on="code").select(columns.names()).cast(columns)


def outcomes(*rows: tuple[str, str, str | None, float], span: Window | None = None) -> pl.DataFrame:
    """Rows of FETCHES, of code, outcome, reason and the hour; the days asked for are not known, if none are given."""
    days = (span.first, span.last) if span else (None, None)
    full = [(code, outcome, reason, None, 0, None, at(hour), *days) for code, outcome, reason, hour in rows]
    return pl.DataFrame(full, schema=FETCHES.polars_schema, orient="row")


def publish(lake: Lake, dataset: Dataset, partition: str, rows: pl.DataFrame) -> None:
    """In the place of what was there."""
    lake.update(dataset, partition, lambda _: Change([rows], ()), "test")


def receive(
    lake: Lake,
    rows: pl.DataFrame,
    window: Window = WINDOW,
    fetches: pl.DataFrame | None = None,
    part: str = "window=00000-of-00001",
) -> None:
    """What the extraction does for one shard of a window."""
    publish(lake, RAW_PRICES, f"window={window}/{part}", rows)
    if fetches is not None:
        publish(lake, FETCHES, f"window={window}/{part}", fetches)


def curated(lake: Lake, window: Window = WINDOW) -> Figures:
    """Curates what was received of the window."""
    folder = f"window={window}/"
    return curate(lake, window, lake.partitions(RAW_PRICES, folder), lake.partitions(FETCHES, folder), "test")


def prices(lake: Lake) -> pl.DataFrame:
    return lake.read(PRICES, lake.partitions(PRICES)).sort(PRICES.key).collect()


def quarantined(lake: Lake) -> pl.DataFrame:
    return lake.read(QUARANTINED_PRICES, lake.partitions(QUARANTINED_PRICES)).collect()


def snapshots(lake: Lake, *datasets: Dataset) -> set[str]:
    """The ids of all current ones."""
    return {snapshot.snapshot for dataset in datasets for snapshot in lake.partitions(dataset)}
