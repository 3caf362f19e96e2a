"""The Prefect tasks that judge data."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import polars as pl
from prefect import get_run_logger, task
from prefect.artifacts import acreate_table_artifact
from prefect.runtime import flow_run

from tasks.choices import StoredDataset
from tasks.coverage.stored import wanted
from tasks.datasets import FETCHES
from tasks.lake import Lake, SnapshotRef, configured_lake
from tasks.lake.fetches import MISSING, last_outcomes
from tasks.prefect_api.artifacts import keep_artifact
from tasks.quality import report, stored, trend
from tasks.quality.checks import Check, Limits
from tasks.quality.report import errors, refuse
from tasks.quality.trend import Result
from tasks.settings import load_settings
from tasks.window import Window

__all__ = ["Check", "Result", "check_prices", "check_stored", "errors", "refuse"]


@task
async def check_prices(window: Window) -> list[Check]:
    """Judges the window's prices, and keeps the results in `published/data_quality` and as an artifact."""
    lake = configured_lake()
    fetches = lake.partitions(FETCHES, f"window={window}/")
    run, as_of = str(flow_run.id), wanted(load_settings()).as_of
    results = await asyncio.to_thread(report.check_prices, lake, window, fetches, run, _limits(), as_of)
    for result in results:
        if not result.passed:
            get_run_logger().warning("%s %s: %s", result.severity, result.check, result.detail)
    await keep_artifact(
        acreate_table_artifact(
            [asdict(result) for result in results], key="data-quality", description=f"Checks of the prices of {window}"
        )
    )
    if missing := await asyncio.to_thread(_missing, lake, fetches):
        await keep_artifact(
            acreate_table_artifact(missing, key="codes-missing", description=f"Codes without an answer for {window}")
        )
    return results


@task
async def check_stored(
    window: Window, datasets: Sequence[StoredDataset], differences: Mapping[str, Mapping[str, str]]
) -> list[Result]:
    """Judges what is stored of the window, and appends the results to `published/quality_results`. No dataset: all.

    `differences` is what the warehouse has otherwise than the lake, by dataset and partition."""
    results = await asyncio.to_thread(_check_stored, window, datasets, differences, str(flow_run.id))
    for result in results:
        if not result.passed:
            text = "%s %s of %s: %s"
            get_run_logger().warning(text, result.severity, result.check, result.dataset, result.detail)
    return results


def _missing(lake: Lake, fetches: Sequence[SnapshotRef]) -> list[dict[str, object]]:
    """All of them, where the check names some."""
    return last_outcomes(lake, fetches).filter(pl.col("outcome").is_in(MISSING)).sort("code").to_dicts()


def _check_stored(
    window: Window, datasets: Sequence[StoredDataset], differences: Mapping[str, Mapping[str, str]], run: str
) -> list[Result]:
    lake = configured_lake()
    found = stored.check_stored(lake, window, datasets, differences, _limits(), wanted(load_settings()))
    trend.keep_results(lake, window, found, run, datetime.now(UTC))
    return trend.results_of(lake, run)


def _limits() -> Limits:
    settings = load_settings()
    return Limits(
        codes_silent=settings.limit_codes_silent,
        codes_missing=settings.limit_codes_missing,
        standstill=settings.limit_standstill,
        adjustment=settings.limit_adjustment,
    )
