"""The Prefect tasks that reshape, curate and measure."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import polars as pl
from prefect import get_run_logger, task
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger
from prefect.runtime import flow_run

from tasks.datasets import FETCHES, RAW_PRICES, VENDOR_VALUES, Dataset
from tasks.lake import Lake, SnapshotRef, configured_lake
from tasks.lake.landing import Landed
from tasks.settings import load_settings
from tasks.transform import curate, quarantine, rebuild, update_measures
from tasks.transform.curate import Figures
from tasks.transform.restatements import restatement, seams, witnesses
from tasks.transform.vendor_values import curate as vendor
from tasks.transform.vendor_values import measure as vendor_measure
from tasks.transform.vendor_values.curate import FileFigures
from tasks.window import Window

__all__ = [
    "Figures",
    "FileFigures",
    "curate_prices",
    "curate_rows",
    "curate_vendor_file",
    "find_restated",
    "find_seams",
    "find_unwitnessed",
    "forget_damaged",
    "measure_prices",
    "measure_vendor_values",
]


@task
async def forget_damaged(damaged: Sequence[SnapshotRef], lost: Sequence[str]) -> list[Window]:
    """The windows to curate again for damaged snapshots, which go, and lost partitions of `curated/prices`."""
    windows = await asyncio.to_thread(rebuild.forget_damaged, configured_lake(), damaged, lost)
    get_run_logger().info("%d damaged partitions; %d windows are curated again", len(damaged), len(windows))
    return windows


@task
async def find_unwitnessed(window: Window) -> dict[str, Window]:
    """Codes whose answers do not tell whether their other days were restated, with the stored day that would."""
    found = await asyncio.to_thread(witnesses.unwitnessed, configured_lake(), window)
    get_run_logger().info(
        "%d codes are asked for a stored day too, which tells whether others were restated", len(found)
    )
    return found


@task
async def find_restated(window: Window, *, within: bool = False) -> dict[str, Window]:
    """Codes whose other days in the lake the source has restated, or also days within the window; with their span."""
    found = await asyncio.to_thread(restatement.restated, configured_lake(), window, within=within)
    get_run_logger().info("%d codes have a restated history", len(found))
    return found


@task
async def find_seams(span: Window, windows: Sequence[Window]) -> dict[str, Window]:
    """Codes of which the source may have restated a part since it was fetched, with the day that tells."""
    found = await asyncio.to_thread(seams.seams, configured_lake(), span, windows, load_settings().time_zone)
    get_run_logger().info("%d codes were fetched on different days", len(found))
    return found


@task
async def curate_prices(window: Window) -> Figures:
    """Merges the window's raw bars into `curated/prices`; what breaks the contract goes to `quarantine/prices`."""
    lake = configured_lake()
    folder = f"window={window}/"
    raw, fetches = lake.partitions(RAW_PRICES, folder), lake.partitions(FETCHES, folder)
    ignored = load_settings().calendars_ignored
    figures = await asyncio.to_thread(curate.curate, lake, window, raw, fetches, str(flow_run.id), ignored)
    get_run_logger().info("Rows: %s", _told(figures))
    return figures


def curate_rows(
    lake: Lake, dataset: Dataset, rows: pl.DataFrame, batch: str, run: str, newest: str = "fetched_at"
) -> Figures:
    """As `tasks.transform.quarantine.curate_rows`, for use in a task of one's own: the log gets the figures."""
    try:
        logger = get_run_logger()
    except MissingContextError:
        logger = get_logger(__name__)
    figures = quarantine.curate_rows(lake, dataset, rows, batch, run, newest)
    logger.info("%s: %s", dataset.name, _told(figures))
    if dataset.limits.judge(figures.quarantined, figures.received):
        said = quarantine.share_in_quarantine(dataset, figures.quarantined, figures.received)
        logger.warning("%s, batch %s", said, batch)
    return figures


@task
async def measure_prices() -> Sequence[SnapshotRef]:
    """Brings `published/price_measures` up to date with `curated/prices`. Returns the partitions that changed."""
    lake = configured_lake()
    changed = await asyncio.to_thread(update_measures.update_measures, lake, str(flow_run.id))
    get_run_logger().info("%d partitions of measures changed", len(changed))
    return changed


@task(task_run_name="curate_vendor_file {file.path}")
async def curate_vendor_file(
    file: Landed, columns: SnapshotRef, rows: SnapshotRef, beside: Sequence[Landed] = ()
) -> FileFigures:
    """Merges a file's values into `curated/vendor_values`; cells that cannot go to `quarantine/vendor_values`.

    `beside` are files of the same drop that were taken before."""
    lake = configured_lake()
    figures = await asyncio.to_thread(vendor.curate_file, lake, file, columns, rows, str(flow_run.id), beside)
    get_run_logger().info("Cells: %d; rows: %s", figures.cells, figures.rows)
    if figures.contradictions:
        text = "%d cells say otherwise than another file of the drop: %s"
        get_run_logger().warning(text, figures.contradictions, "; ".join(figures.contradicted))
    if figures.conflicting:
        text = "%d cells say otherwise than one before them of the same code and date, which stands"
        get_run_logger().warning(text, figures.conflicting)
    if VENDOR_VALUES.limits.judge(figures.rows.quarantined, figures.rows.received):
        said = quarantine.share_in_quarantine(VENDOR_VALUES, figures.rows.quarantined, figures.rows.received)
        get_run_logger().warning("%s, file=%s", said, file.id)
    return figures


@task
async def measure_vendor_values(dates_in_mean: int) -> Sequence[SnapshotRef]:
    """Brings `published/vendor_measures` up to date with `curated/vendor_values`. Returns what changed."""
    lake = configured_lake()
    changed = await asyncio.to_thread(vendor_measure.measure_vendor_values, lake, dates_in_mean, str(flow_run.id))
    get_run_logger().info("%d partitions of measures changed", len(changed))
    return changed


def _told(figures: Figures) -> str:
    return ", ".join(f"{name} {count}" for name, count in asdict(figures).items())
