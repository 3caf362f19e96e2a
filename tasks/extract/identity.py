"""Whose data a lake has: for each dataset, that of one source. Once there are rows of it, another source is refused."""

from urllib.parse import urlsplit

import polars as pl

from tasks.datasets import RAW_SOURCES, Dataset
from tasks.errors import ConfigurationError
from tasks.lake import Change, Lake, SnapshotRef


def check_source(lake: Lake, dataset: Dataset, source: str, setting: str, run: str) -> None:
    """Raises ConfigurationError where the lake has another source's rows of this raw dataset.

    `source` is a name without a secret; `setting` the variable that would give it another."""

    def stored(current: SnapshotRef | None) -> str:
        return str(lake.read(RAW_SOURCES, [current]).collect().item(0, "source")) if current else ""

    def change(current: SnapshotRef | None) -> Change | None:
        # Of a source that gave nothing, as under an address that was misspelt, there is nothing to keep apart.
        if current and (stored(current) == source or any(s.rows for s in lake.partitions(dataset))):
            return None
        return Change([pl.DataFrame([{"source": source}], schema=RAW_SOURCES.polars_schema)], inputs=())

    if (known := stored(lake.update(RAW_SOURCES, dataset.name, change, run))) != source:
        raise ConfigurationError(
            f"What the lake has of {dataset.name} is from {known}, and the source of this run is {source}. Give it a "
            f"lake and a warehouse of its own (ETL_LAKE_URL, ETL_WAREHOUSE_URL). Where both are the same source, set "
            f"{setting}={known}."
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
