"""The Prefect tasks that tell people what a run did."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from prefect import get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact

from tasks.lake import configured_lake
from tasks.publish.dashboard import RunFigures
from tasks.publish.outcomes import count_outcomes
from tasks.publish.page import can_be_drawn, write_page
from tasks.publish.summary import Checked, markdown
from tasks.publish.vendor_summary import FileReport, vendor_markdown
from tasks.settings import load_settings

__all__ = ["FileReport", "RunFigures", "publish_dashboard", "publish_summary", "publish_vendor_summary"]


@task
async def publish_summary(figures: RunFigures, state: str, checks: Sequence[Checked]) -> tuple[RunFigures, str]:
    """Writes the run summary as an artifact. Returns the figures with the outcomes of codes, and the summary."""
    counts = await asyncio.to_thread(count_outcomes, configured_lake(), figures.window)
    complete = replace(
        figures,
        codes_asked=sum(counts.values()),
        codes_fetched=counts.get("fetched", 0),
        codes_empty=counts.get("empty", 0),
        codes_unknown=counts.get("unknown", 0),
        codes_refused=counts.get("refused", 0),
        codes_failed=counts.get("failed", 0),
    )
    text = markdown(complete, state, checks)
    await acreate_markdown_artifact(text, key="run-summary", description=f"Prices of {figures.window}")
    return complete, text


@task
async def publish_dashboard(figures: RunFigures) -> str | None:
    """Writes the dashboard page. Returns its path, None where none is wanted or what draws it is not installed."""
    settings = load_settings()
    if settings.dashboard_path is None:
        return None
    if not can_be_drawn():
        get_run_logger().warning("No dashboard page: pip install 'prefect-on-azure-batch[dashboard]'")
        return None
    path = await asyncio.to_thread(write_page, configured_lake(), figures, settings.dashboard_path)
    get_run_logger().info("Dashboard: %s", path)
    return str(path)


@task
async def publish_vendor_summary(files: Sequence[FileReport], inserted: int, updated: int, deleted: int) -> str:
    """Writes what became of vendor files as an artifact. Returns its text."""
    text = vendor_markdown(files, inserted, updated, deleted)
    await acreate_markdown_artifact(text, key="vendor-files", description=f"{len(files)} vendor files")
    return text
