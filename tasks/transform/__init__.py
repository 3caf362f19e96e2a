"""The Prefect tasks that reshape, curate and measure."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

from prefect import get_run_logger, task
from prefect.runtime import flow_run

from tasks.datasets import FETCHES, RAW_PRICES
from tasks.lake import SnapshotRef, open_lake
from tasks.settings import load_settings
from tasks.transform import curate, measure, restatement
from tasks.transform.curate import Figures
from tasks.window import Window

__all__ = ["Figures", "curate_prices", "find_restated", "measure_prices"]


@task
async def find_restated(window: Window) -> dict[str, date]:
    """Codes whose older history in the lake the source has restated, with the first date of that history."""
    lake = open_lake(load_settings().lake_url)
    raw = lake.partitions(RAW_PRICES, f"window={window}/")
    found = await asyncio.to_thread(restatement.restated, lake, window, raw)
    get_run_logger().info("%d codes have a restated history", len(found))
    return found


@task
async def curate_prices(window: Window) -> Figures:
    """Merges the window's raw bars into `curated/prices`; what breaks the contract goes to `quarantine/prices`."""
    lake = open_lake(load_settings().lake_url)
    folder = f"window={window}/"
    raw, fetches = lake.partitions(RAW_PRICES, folder), lake.partitions(FETCHES, folder)
    figures = await asyncio.to_thread(curate.curate, lake, window, raw, fetches, str(flow_run.id))
    get_run_logger().info("Rows: %s", ", ".join(f"{name} {count}" for name, count in asdict(figures).items()))
    return figures


@task
async def measure_prices() -> Sequence[SnapshotRef]:
    """Brings `published/price_measures` up to date with `curated/prices`. Returns the partitions that changed."""
    lake = open_lake(load_settings().lake_url)
    changed = await asyncio.to_thread(measure.measure, lake, str(flow_run.id))
    get_run_logger().info("%d partitions of measures changed", len(changed))
    return changed
