"""The checks over what is stored, for any dates, with their trend from run to run.

`.dev/python -m flows.data_quality --help` runs it from a shell.
"""

if __name__ == "__main__":  # what was typed is checked before Prefect is imported, which takes seconds
    from flows.commands.data_quality import main

    raise SystemExit(main())

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from prefect import flow
from prefect.runtime import flow_run
from pydantic import BaseModel

from tasks.choices import StoredDataset
from tasks.errors import ContractError
from tasks.load import RunRow, find_differences, load_table, record_run
from tasks.publish import publish_quality
from tasks.quality import Result, check_stored
from tasks.settings import load_settings
from tasks.window import Window


class Report(BaseModel):
    """What a run tells whoever started it: the results with their trend, and the summary as Markdown."""

    window: Window
    results: list[Result]
    summary: str


@flow(name="data-quality")
async def data_quality(
    window: Window | None = None, days: int = 28, datasets: list[StoredDataset] | None = None
) -> Report:
    """Judges what is stored, whoever wrote it, and changes none of it. Fails when an error check does.

    Args:
        window: The dates to judge. Empty: the days before the day for which the run is scheduled.
        days: How many days these are.
        datasets: Empty: all that have a row in these days, or the ten weeks before them.
    """
    started = datetime.now(UTC)
    window = window or _scheduled_window(days)
    results = await check_stored(window, datasets or [], await find_differences(window))
    await load_table("quality_results")
    summary = await publish_quality(window, results)
    failed = [r for r in results if r.severity == "error" and not r.passed]
    await record_run(_row(window, "checks failed" if failed else "checked", started))
    if failed:
        raise ContractError(_refusal(window, failed))
    return Report(window=window, results=results, summary=summary)


def _scheduled_window(days: int) -> Window:
    zone = ZoneInfo(load_settings().time_zone)
    return Window.before(flow_run.scheduled_start_time.astimezone(zone), days)


def _row(window: Window, state: str, started: datetime) -> RunRow:
    return RunRow(
        run=str(flow_run.id),
        flow="data-quality",
        window_first=window.first,
        window_last=window.last,
        started=started,
        ended=datetime.now(UTC),
        state=state,
    )


def _refusal(window: Window, failed: Sequence[Result]) -> str:
    found = "; ".join(f"{r.check} of {r.dataset}: {r.detail}" for r in failed)
    return (
        f"What is stored of {window} failed these checks: {found}. Nothing was changed. Run market-prices with "
        "refetch, or drop the vendor file again, for these dates; a warehouse that differs is mended by "
        "`python -m flows.reconcile`. The artifact data-quality-trend shows since when."
    )
