"""Whose data a lake has: for each dataset, that of one source. The first run names it; another source is refused."""

from urllib.parse import urlsplit

import polars as pl

from tasks.datasets import RAW_SOURCES, Dataset
from tasks.errors import ConfigurationError
from tasks.lake import Change, Lake, SnapshotRef


def check_source(lake: Lake, dataset: Dataset, source: str, setting: str, run: str) -> None:
    """Raises ConfigurationError where the lake has another source's rows of the dataset.

    `source` is a name without a secret; `setting` the variable that would give it another."""

    def change(current: SnapshotRef | None) -> Change | None:
        named = pl.DataFrame([{"source": source}], schema=RAW_SOURCES.polars_schema)
        return None if current else Change([named], inputs=())

    current = lake.update(RAW_SOURCES, dataset.name, change, run)
    stored = lake.read(RAW_SOURCES, [current] if current else []).collect().item(0, "source")
    if stored != source:
        raise ConfigurationError(
            f"What the lake has of {dataset.name} is from {stored}, and the source of this run is {source}. Give it a "
            f"lake and a warehouse of its own (ETL_LAKE_URL, ETL_WAREHOUSE_URL). Where both are the same source, set "
            f"{setting}={stored}."
        )


def host_of(url: str) -> str:
    """Without port, path and user. Raises ConfigurationError for what is no URL."""
    try:
        host = urlsplit(url).hostname
    except ValueError:  # such as a bracket that is not closed
        host = None
    if not host:
        raise ConfigurationError(f"{url.partition('?')[0]!r} is not a URL of http or https. Check ETL_SOURCE_URL.")
    return host
