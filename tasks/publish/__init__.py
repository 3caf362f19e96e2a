"""The Prefect tasks that tell people what a run did."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from prefect import get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact

from tasks.lake import open_lake
from tasks.publish.dashboard import RunFigures
from tasks.publish.outcomes import count_outcomes
from tasks.publish.page import can_be_drawn, write_page
from tasks.publish.summary import Checked, markdown
from tasks.settings import load_settings

__all__ = ["RunFigures", "publish_dashboard", "publish_summary"]


@task
async def publish_summary(figures: RunFigures, state: str, checks: Sequence[Checked]) -> tuple[RunFigures, str]:
    """Writes the run summary as an artifact. Returns the figures with the outcomes of codes, and the summary."""
    counts = await asyncio.to_thread(count_outcomes, open_lake(load_settings().lake_url), figures.window)
    complete = replace(
        figures, codes_asked=sum(counts.values()), **{f"codes_{outcome}": n for outcome, n in counts.items()}
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
    path = await asyncio.to_thread(write_page, open_lake(settings.lake_url), figures, settings.dashboard_path)
    get_run_logger().info("Dashboard: %s", path)
    return str(path)
