"""The catalogue: each dataset's columns, types, key, partitioning and SQL table."""

import copy
import re
import zlib
from dataclasses import dataclass
from typing import Literal

import dataframely as dy
import polars as pl

from tasks.quality_contracts import DataQuality, QualityResults
from tasks.vendor_contracts import (
    QuarantinedVendorValues,
    RawVendorColumns,
    RawVendorRows,
    VendorMeasures,
    VendorValues,
)

State = Literal["landing", "raw", "curated", "published", "quarantine"]


class RawPrices(dy.Schema):
    """Bars as the source sent them. One row per code and record received; nothing is checked yet."""

    shard = dy.UInt8()  # of the code in `curated/prices`, so that curating one shard skips the others
    code = dy.String()
    date = dy.String(nullable=True)
    open = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    high = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    low = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    close = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    adjusted_close = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    volume = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC")


class Fetches(dy.Schema):
    """What became of each code that was asked for. One row per code."""

    code = dy.String(primary_key=True)
    outcome = dy.Enum(["fetched", "empty", "unknown", "refused", "failed"])
    reason = dy.String(nullable=True)
    warning = dy.String(nullable=True)  # what the source adds to a record, such as the limit of a free plan
    rows = dy.Int64()
    body = dy.Binary(nullable=True)  # of a refused answer, as received
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC")
    asked_first = dy.Date(nullable=True)  # the days that were asked for, inclusive
    asked_last = dy.Date(nullable=True)


class Listings(dy.Schema):
    """The codes of an exchange that traded on the last session on or before a day, as the source said."""

    code = dy.String(primary_key=True)
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC")


class Refetches(dy.Schema):
    """A backfill that fetches all again: since when, so that it goes on where it was stopped."""

    begun = dy.Datetime(time_unit="us", time_zone="UTC", primary_key=True)
    ended = dy.Bool()


class Prices(dy.Schema):
    """End-of-day bars, one per code and session.

    Open, high, low and close are raw; adjusted_close is for splits and dividends. All are in the listing's currency.
    """

    code = dy.String(primary_key=True, max_length=40)
    date = dy.Date(primary_key=True)
    open = dy.Float64(min_exclusive=0)
    high = dy.Float64(min_exclusive=0)
    low = dy.Float64(min_exclusive=0)
    close = dy.Float64(min_exclusive=0)
    adjusted_close = dy.Float64(min_exclusive=0)
    volume = dy.Int64(min=0)
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC")


class PriceRow(Prices):
    """What a single bar must be, whatever the others are."""

    code = dy.String(max_length=40)
    date = dy.Date()


class QuarantinedPrices(dy.Schema):
    """Rows of `raw/prices` that break the contract, as received, with their reasons."""

    code = dy.String()
    date = dy.String(nullable=True)
    open = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    high = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    low = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    close = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    adjusted_close = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    volume = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC")
    reasons = dy.String()


class PriceMeasures(dy.Schema):
    """One row per code and week with a session. Prices are adjusted for splits and dividends, but for `close`."""

    code = dy.String(primary_key=True, max_length=40)
    week = dy.Date(primary_key=True)  # its Monday
    session = dy.Date()  # the last one of the week
    close = dy.Float64(min_exclusive=0)
    adjusted_close = dy.Float64(min_exclusive=0)
    average_10w = dy.Float64(min_exclusive=0)
    weeks_in_average = dy.Int64(min=1, max=10)
    return_1w = dy.Float64(nullable=True)
    volatility_10w = dy.Float64(nullable=True, min=0)
    high_52w = dy.Float64(min_exclusive=0)
    low_52w = dy.Float64(min_exclusive=0)


class CuratedWindows(dy.Schema):
    """What became of the rows of one window. One row per window; its snapshot names the raw ones it was made from."""

    window_first = dy.Date(primary_key=True)
    window_last = dy.Date(primary_key=True)
    received = dy.Int64(min=0)
    quarantined = dy.Int64(min=0)
    duplicates = dy.Int64(min=0)
    published = dy.Int64(min=0)
    withdrawn = dy.Int64(nullable=True, min=0)  # rows that were stored, and that the source does not give any more


@dataclass(frozen=True)
class Dataset:
    """Where a dataset lives, how it is cut into partitions, and which SQL table it becomes."""

    name: str
    state: State
    schema: type[dy.Schema]
    sort: tuple[str, ...]
    period: str | None = None  # the date column whose year names the partition; None: the writer names it
    shards: int = 1
    table: str | None = None
    only_in_lake: tuple[str, ...] = ()  # columns that the SQL table does not have
    is_record: bool = False  # of what runs found: the warehouse keeps what the lake has lost, for nobody can fetch it

    @property
    def key(self) -> list[str]:
        return self.schema.primary_key()

    @property
    def polars_schema(self) -> pl.Schema:
        return pl.Schema({name: column.dtype for name, column in self.schema.columns().items()})

    @property
    def table_columns(self) -> dict[str, dy.Column]:
        return {n: c for n, c in self.schema.columns().items() if n not in self.only_in_lake}

    @property
    def quarantine(self) -> "Dataset":
        """Where rows go that break its contract: as texts, with their `reasons`."""
        columns: dict[str, dy.Column] = {name: dy.String(nullable=True) for name in self.polars_schema}
        contract = type(f"Quarantined{self.schema.__name__}", (dy.Schema,), {**columns, "reasons": dy.String()})
        return Dataset(self.name, "quarantine", contract, sort=())

    @property
    def withdrawn(self) -> "Dataset":
        """Where rows go that were stored until the source did not give them any more: when it said so, in which run."""
        columns = {name: copy.copy(column) for name, column in self.schema.columns().items()}
        columns |= {"withdrawn_at": dy.Datetime(time_unit="us", time_zone="UTC"), "run": dy.String()}
        contract = type(f"Withdrawn{self.schema.__name__}", (dy.Schema,), columns)
        return Dataset(f"withdrawn_{self.name}", "quarantine", contract, self.sort, self.period, self.shards)

    def partition(self, year: int, shard: int = 0) -> str:
        return f"year={year}/shard={shard}"

    def place(self, partition: str) -> tuple[int | None, int] | None:
        """The year and shard of a partition's rows; no year where all are in one. None: its name does not tell."""
        if self.period is None:
            return (None, 0) if partition == UNDIVIDED and self.shards == 1 else None
        named = re.fullmatch(r"year=(\d+)/shard=(\d+)", partition)
        return (int(named[1]), int(named[2])) if named else None


UNDIVIDED = "all"  # the partition of a dataset without a period


def shard_of(code: str, shards: int) -> int:
    """The shard of a code: CRC-32 of its UTF-8 text, modulo the number of shards. The same everywhere, for ever."""
    return zlib.crc32(code.encode()) % shards


SHARDS = 8

RAW_PRICES = Dataset("prices", "raw", RawPrices, sort=(), shards=SHARDS)  # as they came
FETCHES = Dataset("fetches", "raw", Fetches, sort=())
RAW_LISTINGS = Dataset("listings", "raw", Listings, sort=("code",))
REFETCHES = Dataset("refetches", "curated", Refetches, sort=())
QUARANTINED_PRICES = Dataset("prices", "quarantine", QuarantinedPrices, sort=("code", "date"))
PRICES = Dataset(
    "prices",
    "curated",
    Prices,
    sort=("date", "code"),
    period="date",
    shards=SHARDS,
    table="prices",
    only_in_lake=("fetched_at",),
)
WITHDRAWN_PRICES = PRICES.withdrawn
CURATED_WINDOWS = Dataset("windows", "curated", CuratedWindows, sort=())
PRICE_MEASURES = Dataset(
    "price_measures",
    "published",
    PriceMeasures,
    sort=("week", "code"),
    period="week",
    shards=SHARDS,
    table="price_measures",
)
DATA_QUALITY = Dataset(
    "data_quality",
    "published",
    DataQuality,
    sort=("window_last", "dataset", "check"),
    period="window_last",
    table="data_quality",
    is_record=True,
)

QUALITY_RESULTS = Dataset(
    "quality_results",
    "published",
    QualityResults,
    sort=("checked_at", "run", "dataset", "check"),
    period="checked_on",
    table="quality_results",
    is_record=True,
)

RAW_VENDOR_COLUMNS = Dataset("vendor_columns", "raw", RawVendorColumns, sort=("place",))
RAW_VENDOR_ROWS = Dataset("vendor_rows", "raw", RawVendorRows, sort=(), shards=SHARDS)  # as they came
QUARANTINED_VENDOR_VALUES = Dataset("vendor_values", "quarantine", QuarantinedVendorValues, sort=("row", "date"))
VENDOR_VALUES = Dataset(
    "vendor_values",
    "curated",
    VendorValues,
    sort=("date", "series", "code"),
    period="date",
    shards=SHARDS,
    table="vendor_values",
    only_in_lake=("received_at",),
)
WITHDRAWN_VENDOR_VALUES = VENDOR_VALUES.withdrawn
VENDOR_MEASURES = Dataset(
    "vendor_measures",
    "published",
    VendorMeasures,
    sort=("date", "series", "code"),
    period="date",
    shards=SHARDS,
    table="vendor_measures",
)

CATALOGUE = (
    RAW_PRICES,
    FETCHES,
    RAW_LISTINGS,
    REFETCHES,
    QUARANTINED_PRICES,
    PRICES,
    WITHDRAWN_PRICES,
    CURATED_WINDOWS,
    PRICE_MEASURES,
    DATA_QUALITY,
    QUALITY_RESULTS,
    RAW_VENDOR_COLUMNS,
    RAW_VENDOR_ROWS,
    QUARANTINED_VENDOR_VALUES,
    VENDOR_VALUES,
    WITHDRAWN_VENDOR_VALUES,
    VENDOR_MEASURES,
)
