"""The catalogue: each dataset's columns, types, key, partitioning and SQL table."""

import copy
import re
import zlib
from dataclasses import dataclass
from typing import Literal

import dataframely as dy
import polars as pl

from tasks.contracts.prices import (
    CuratedWindows,
    Fetches,
    Listings,
    PriceMeasures,
    Prices,
    QuarantinedPrices,
    RawPrices,
    Refetches,
    Sources,
)
from tasks.contracts.quality import DataQuality, QualityResults
from tasks.contracts.vendor import (
    QuarantinedVendorValues,
    RawVendorColumns,
    RawVendorRows,
    VendorMeasures,
    VendorValues,
)

State = Literal["landing", "raw", "curated", "published", "quarantine"]


@dataclass(frozen=True)
class QuarantineLimits:
    """Shares of what was received that may be in quarantine: beyond `warning` a run says so, beyond `failure` it fails.

    A share of 1 is never beyond: with it as `failure`, all may be in quarantine."""

    warning: float = 0.01
    failure: float = 0.5

    def judge(self, quarantined: int, received: int) -> Literal["warning", "failure"] | None:
        """Which limit these figures are beyond."""
        share = quarantined / received if received else 0.0
        return "failure" if share > self.failure else "warning" if share > self.warning else None


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
    limits: QuarantineLimits = QuarantineLimits()

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
RAW_SOURCES = Dataset("sources", "raw", Sources, sort=())
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
    limits=QuarantineLimits(failure=0.9),  # tables that people fill in have remarks for numbers
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
    RAW_SOURCES,
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
