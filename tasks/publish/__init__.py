"""The Prefect tasks that tell people what a run did."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from prefect import get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.runtime import flow_run

from tasks.datasets import WITHDRAWN_PRICES, WITHDRAWN_VENDOR_VALUES
from tasks.errors import ConfigurationError
from tasks.lake import configured_lake
from tasks.lake.fetches import count_outcomes
from tasks.libraries import AZURE_IDENTITY, DASHBOARD, require
from tasks.prefect_api.artifacts import keep_artifact
from tasks.publish.dashboard import RunFigures
from tasks.publish.page import write_page
from tasks.publish.quality_summary import Judged, quality_markdown
from tasks.publish.summary import Checked, markdown
from tasks.publish.vendor_summary import FileReport, vendor_markdown
from tasks.publish.withdrawn import name_withdrawn
from tasks.settings import load_settings
from tasks.window import Window

__all__ = [
    "FileReport",
    "RunFigures",
    "publish_dashboard",
    "publish_summary",
    "publish_vendor_summary",
    "refresh_power_bi",
]


@task
async def publish_summary(figures: RunFigures, state: str, checks: Sequence[Checked]) -> tuple[RunFigures, str]:
    """Writes the run summary as an artifact. Returns the figures with the outcomes of codes, and the summary."""
    lake = configured_lake()
    counts = await asyncio.to_thread(count_outcomes, lake, figures.window)
    gone = figures.rows_withdrawn
    withdrawn = await asyncio.to_thread(name_withdrawn, lake, WITHDRAWN_PRICES, str(flow_run.id)) if gone else ()
    complete = replace(
        figures,
        withdrawn=withdrawn,
        codes_asked=sum(counts.values()),
        codes_fetched=counts.get("fetched", 0),
        codes_empty=counts.get("empty", 0),
        codes_missing=counts.get("missing", 0),
        codes_unknown=counts.get("unknown", 0),
        codes_refused=counts.get("refused", 0),
        codes_failed=counts.get("failed", 0),
    )
    text = markdown(complete, state, checks)
    await keep_artifact(acreate_markdown_artifact(text, key="run-summary", description=f"Prices of {figures.window}"))
    return complete, text


@task
async def publish_dashboard(figures: RunFigures) -> str | None:
    """Writes the dashboard page. Returns its path, None where none is wanted or what draws it is not installed."""
    settings = load_settings()
    if settings.dashboard_path is None:
        return None
    try:
        require(DASHBOARD, "The dashboard page")
    except ConfigurationError as error:  # the image of Batch tasks is built without it
        get_run_logger().warning("%s ETL_DASHBOARD_PATH= asks for none.", error)
        return None
    path = await asyncio.to_thread(write_page, configured_lake(), figures, settings.dashboard_path)
    get_run_logger().info("Dashboard: %s", path)
    return str(path)


@task
async def publish_vendor_summary(files: Sequence[FileReport], inserted: int, updated: int, deleted: int) -> str:
    """Writes what became of vendor files as an artifact. Returns its text."""
    withdrawn: tuple[str, ...] = ()
    if any(file.withdrawn for file in files):
        lake = configured_lake()
        withdrawn = await asyncio.to_thread(name_withdrawn, lake, WITHDRAWN_VENDOR_VALUES, str(flow_run.id))
    text = vendor_markdown(files, inserted, updated, deleted, withdrawn)
    await keep_artifact(acreate_markdown_artifact(text, key="vendor-files", description=f"{len(files)} vendor files"))
    return text


async def refresh_power_bi() -> str | None:
    """Asks Power BI to refresh its semantic model, if the settings name one: then that is a task of the run."""
    settings = load_settings()
    if settings.power_bi_workspace is None and settings.power_bi_dataset is None:
        return None
    return await refresh_semantic_model()


@task
async def refresh_semantic_model() -> str:
    """Returns the id of the refresh, once that has ended well."""
    settings = load_settings()
    # Imported here: the Azure SDK takes half a second, which runs without Power BI need not wait for.
    require(AZURE_IDENTITY, "The refresh of Power BI, for which ETL_POWER_BI_DATASET asks,")
    from tasks.publish.power_bi.access import open_power_bi, wanted_model  # noqa: PLC0415

    model = wanted_model(settings)
    async with open_power_bi(settings) as power_bi:
        refresh = await power_bi.refresh(model)
    get_run_logger().info("Power BI has refreshed the %s", model)
    return refresh


@task
async def publish_quality(window: Window, results: Sequence[Judged]) -> str:
    """Writes the checks of what is stored, with their trend, as an artifact. Returns its text."""
    text = quality_markdown(window, results)
    await keep_artifact(
        acreate_markdown_artifact(text, key="data-quality-trend", description=f"What is stored of {window}")
    )
    return text
