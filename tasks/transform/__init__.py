"""The Prefect tasks that reshape, curate and measure."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

from prefect import get_run_logger, task
from prefect.runtime import flow_run

from tasks.datasets import FETCHES, RAW_PRICES
from tasks.lake import SnapshotRef, configured_lake
from tasks.lake.landing import Landed
from tasks.transform import curate, measure, restatement, vendor, vendor_measure
from tasks.transform.curate import Figures
from tasks.transform.vendor import FileFigures
from tasks.window import Window

__all__ = [
    "Figures",
    "FileFigures",
    "curate_prices",
    "curate_vendor_file",
    "find_restated",
    "measure_prices",
    "measure_vendor_values",
]


@task
async def find_restated(window: Window) -> dict[str, date]:
    """Codes whose older history in the lake the source has restated, with the first date of that history."""
    lake = configured_lake()
    raw = lake.partitions(RAW_PRICES, f"window={window}/")
    found = await asyncio.to_thread(restatement.restated, lake, window, raw)
    get_run_logger().info("%d codes have a restated history", len(found))
    return found


@task
async def curate_prices(window: Window) -> Figures:
    """Merges the window's raw bars into `curated/prices`; what breaks the contract goes to `quarantine/prices`."""
    lake = configured_lake()
    folder = f"window={window}/"
    raw, fetches = lake.partitions(RAW_PRICES, folder), lake.partitions(FETCHES, folder)
    figures = await asyncio.to_thread(curate.curate, lake, window, raw, fetches, str(flow_run.id))
    get_run_logger().info("Rows: %s", ", ".join(f"{name} {count}" for name, count in asdict(figures).items()))
    return figures


@task
async def measure_prices() -> Sequence[SnapshotRef]:
    """Brings `published/price_measures` up to date with `curated/prices`. Returns the partitions that changed."""
    lake = configured_lake()
    changed = await asyncio.to_thread(measure.measure, lake, str(flow_run.id))
    get_run_logger().info("%d partitions of measures changed", len(changed))
    return changed


@task(task_run_name="curate_vendor_file {file.path}")
async def curate_vendor_file(file: Landed, columns: SnapshotRef, rows: SnapshotRef) -> FileFigures:
    """Merges a file's values into `curated/vendor_values`; cells that cannot go to `quarantine/vendor_values`."""
    lake = configured_lake()
    figures = await asyncio.to_thread(vendor.curate_file, lake, file, columns, rows, str(flow_run.id))
    get_run_logger().info("Cells: %d; rows: %s", figures.cells, figures.rows)
    return figures


@task
async def measure_vendor_values(dates_in_mean: int) -> Sequence[SnapshotRef]:
    """Brings `published/vendor_measures` up to date with `curated/vendor_values`. Returns what changed."""
    lake = configured_lake()
    changed = await asyncio.to_thread(vendor_measure.measure_vendor_values, lake, dates_in_mean, str(flow_run.id))
    get_run_logger().info("%d partitions of measures changed", len(changed))
    return changed
