"""Selects what the dashboard page shows from the lake, and writes the page."""

import importlib.util
from pathlib import Path

import polars as pl

from tasks.datasets import DATA_QUALITY, PRICE_MEASURES, PRICES
from tasks.lake import Lake
from tasks.lake.reading import reading
from tasks.publish import dashboard
from tasks.publish.dashboard import RunFigures


def can_be_drawn() -> bool:
    """Whether the extra `dashboard` is installed."""
    return all(importlib.util.find_spec(name) for name in ("altair", "vl_convert"))


def write_page(lake: Lake, figures: RunFigures, path: Path) -> Path:
    """Replaces the page by one about this run, whole. Returns its absolute path."""
    with (
        reading(lake, PRICE_MEASURES, lake.partitions(PRICE_MEASURES)) as measures,
        reading(lake, PRICES, lake.partitions(PRICES)) as prices,
        reading(lake, DATA_QUALITY, lake.partitions(DATA_QUALITY)) as quality,
    ):
        shown = pl.col("code").is_in(dashboard.select(measures))
        page = dashboard.render(
            prices.drop("fetched_at").filter(shown).collect(),
            measures.filter(shown).collect(),
            quality.collect(),
            figures,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(page, encoding="utf-8")
    return fresh.replace(path).absolute()
