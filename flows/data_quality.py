"""The checks over what is stored, for any dates, with their trend from run to run.

`.dev/python -m flows.data_quality --help` runs it from a shell.
"""

if __name__ == "__main__":  # what was typed is checked before Prefect is imported, which takes seconds
    from flows.commands.data_quality import main

    raise SystemExit(main())

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from prefect import flow, get_client
from prefect.runtime import flow_run
from pydantic import BaseModel

from flows.market_prices import run_window
from flows.starting.resumable import resumable
from flows.starting.scheduled import scheduled_window
from tasks.choices import StoredDataset
from tasks.errors import ContractError
from tasks.load import RunRow, find_differences, load_table, record_run
from tasks.publish import publish_quality
from tasks.quality import Result, check_stored
from tasks.window import Window


class Report(BaseModel):
    """What a run tells whoever started it: the results with their trend, and the summary as Markdown."""

    window: Window
    results: list[Result]
    summary: str


@flow(name="data-quality")
@resumable
async def data_quality(
    window: Window | None = None,
    days: int = 28,
    datasets: list[StoredDataset] | None = None,
    after: str | None = None,
) -> Report:
    """Judges what is stored, whoever wrote it, and changes none of it. Fails when an error check does.

    Args:
        window: The dates to judge. Empty: the days up to the last that has closed when the run is scheduled.
        days: How many days these are.
        datasets: Empty: all that have a row in these days, or the ten weeks before them.
        after: The id of the run of market-prices that this one follows: its window is judged.
    """
    started = datetime.now(UTC)
    if window is None:
        window = await _window_of(after) if after else scheduled_window(flow_run.scheduled_start_time, days)
    results = await check_stored(window, datasets or [], await find_differences(window))
    await load_table("quality_results")
    summary = await publish_quality(window, results)
    failed = [r for r in results if r.severity == "error" and not r.passed]
    await record_run(_row(window, "checks failed" if failed else "checked", started))
    if failed:
        raise ContractError(_refusal(window, failed))
    return Report(window=window, results=results, summary=summary)


async def _window_of(run: str) -> Window:
    async with get_client() as client:
        followed = await client.read_flow_run(UUID(run.removeprefix("prefect.flow-run.")))
    given = {name: value for name, value in followed.parameters.items() if name in ("codes", "lag_days")}
    window = followed.parameters.get("window")
    scheduled = followed.expected_start_time or datetime.now(UTC)
    return run_window(scheduled, given.pop("codes", None), Window.model_validate(window) if window else None, **given)


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
