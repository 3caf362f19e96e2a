"""Selects what the dashboard page shows from the lake, and writes the page."""

from pathlib import Path

import polars as pl

from tasks import files
from tasks.datasets import DATA_QUALITY, PRICE_MEASURES, PRICES
from tasks.lake import Lake
from tasks.lake.retention.read_leases import read_lease
from tasks.publish import dashboard
from tasks.publish.dashboard import RunFigures


def write_page(lake: Lake, figures: RunFigures, path: Path) -> Path:
    """Replaces the page by one about this run, whole. Returns its absolute path."""
    with (
        read_lease(lake, PRICE_MEASURES, lake.partitions(PRICE_MEASURES)) as measures,
        read_lease(lake, PRICES, lake.partitions(PRICES)) as prices,
        read_lease(lake, DATA_QUALITY, lake.partitions(DATA_QUALITY)) as quality,
    ):
        shown = pl.col("code").is_in(dashboard.choose_codes(measures))
        page = dashboard.render(
            prices.drop("fetched_at").filter(shown).collect(),
            measures.filter(shown).collect(),
            quality.collect(),
            figures,
        )
    place = files.local_path(str(path)).absolute()
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f".{place.name}.new")
    fresh.write_text(page, encoding="utf-8", newline="\n")
    files.replace(fresh, place)
    return place
