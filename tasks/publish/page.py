"""Selects what the dashboard page shows from the lake, and writes the page."""

import importlib.util
from pathlib import Path

import polars as pl

from tasks.datasets import DATA_QUALITY, PRICE_MEASURES, PRICES
from tasks.lake import Lake
from tasks.publish import dashboard
from tasks.publish.dashboard import RunFigures


def can_be_drawn() -> bool:
    """Whether the extra `dashboard` is installed."""
    return all(importlib.util.find_spec(name) for name in ("altair", "vl_convert"))


def write_page(lake: Lake, figures: RunFigures, path: Path) -> Path:
    """Replaces the page by one about this run, whole. Returns its absolute path."""
    measures = lake.read(PRICE_MEASURES, lake.partitions(PRICE_MEASURES))
    codes = dashboard.select(measures)
    prices = lake.read(PRICES, lake.partitions(PRICES)).drop("fetched_at")
    quality = lake.read(DATA_QUALITY, lake.partitions(DATA_QUALITY))
    shown = pl.col("code").is_in(codes)
    page = dashboard.render(
        prices.filter(shown).collect(), measures.filter(shown).collect(), quality.collect(), figures
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(page, encoding="utf-8")
    return fresh.replace(path).absolute()
