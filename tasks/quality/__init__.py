"""The Prefect tasks that judge data."""

import asyncio
from dataclasses import asdict

from prefect import get_run_logger, task
from prefect.artifacts import acreate_table_artifact
from prefect.runtime import flow_run

from tasks.datasets import FETCHES
from tasks.lake import configured_lake
from tasks.quality import report
from tasks.quality.checks import Check
from tasks.quality.report import errors, refuse
from tasks.window import Window

__all__ = ["Check", "check_prices", "errors", "refuse"]


@task
async def check_prices(window: Window) -> list[Check]:
    """Judges the window's prices, and keeps the results in `published/data_quality` and as an artifact."""
    lake = configured_lake()
    fetches = lake.partitions(FETCHES, f"window={window}/")
    results = await asyncio.to_thread(report.check_prices, lake, window, fetches, str(flow_run.id))
    for result in results:
        if not result.passed:
            get_run_logger().warning("%s %s: %s", result.severity, result.check, result.detail)
    await acreate_table_artifact(
        [asdict(result) for result in results], key="data-quality", description=f"Checks of the prices of {window}"
    )
    return results
