"""Years of prices: one child run of market-prices per window, on as many machines as asked for; resumable.

`.dev/python -m flows.backfill --help` starts it from a shell; `--plan` only says what it would take.
"""

if __name__ == "__main__":  # what was typed is checked before Prefect is imported, which takes seconds
    from flows.commands.backfill import main

    raise SystemExit(main())

import zlib
from collections.abc import Sequence
from datetime import date

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_markdown_artifact, acreate_progress_artifact, aupdate_progress_artifact
from prefect.client.schemas.objects import State
from prefect.states import Failed
from pydantic import BaseModel

from flows.market_prices import extract_window
from flows.starting.children import Child, run_children
from tasks.extract import find_missing
from tasks.extract.prices.backfill_pace import CatchUp, Pace, estimate_text
from tasks.extract.prices.coverage import seams
from tasks.load import LoadResult, load_table
from tasks.publish import refresh_power_bi
from tasks.transform import curate_prices, measure_prices
from tasks.window import Window

_PACE = Pace()


class BackfillReport(BaseModel):
    """What became of each window, and how many rows went to the warehouse."""

    completed: list[Window] = []
    skipped: list[Window] = []
    failed: dict[str, str] = {}  # window to reason
    not_started: list[Window] = []
    rows_loaded: int = 0


@flow(name="backfill")
async def backfill(
    first: date,
    last: date,
    codes: list[str] | None = None,
    catch_up: CatchUp = "all",
    refetch: bool = False,  # noqa: FBT001, FBT002 - a field of the form in the UI
    plan_only: bool = False,  # noqa: FBT001, FBT002
    pace: Pace = _PACE,
) -> BackfillReport:
    """Years of prices into the lake, window by window on many machines, then measures, checks and the warehouse once.

    Args:
        first: The first day.
        last: The last day.
        codes: Instruments such as AAPL.US. Empty: those of ETL_CODES, or else all that the exchange traded then.
        catch_up: Of the windows that the lake does not have: all of them, the last one, or none, which only tells.
        refetch: Fetch again what the lake has already.
        plan_only: Say what it would take, and end.
        pace: How long the windows are, and how many are fetched at once.
    """
    span = Window(first=first, last=last)
    windows = list(span.by_years(pace.years_per_window))
    missing = windows if refetch else await find_missing(windows, codes)
    wanted = {"all": missing, "last": missing[-1:], "none": []}[catch_up]
    plan = estimate_text(span, wanted, pace, codes)
    get_run_logger().info("The plan\n%s", plan)
    await acreate_markdown_artifact(plan, key="backfill-plan", description=f"Prices of {span}")
    if plan_only or not wanted:
        return BackfillReport(skipped=[w for w in windows if w not in missing], not_started=missing)

    report = await _fetch(wanted, codes, pace, refetch=refetch)
    report.skipped = [w for w in windows if w not in missing]
    report.not_started = [w for w in missing if w not in report.completed and str(w) not in report.failed]
    await acreate_markdown_artifact(report_markdown(report), key="backfill", description=f"Prices of {span}")
    if report.failed:
        return Failed(name="Resumable", message=_failure(report))  # type: ignore[return-value]  # the run's state
    for seam in seams([w for w in windows if w not in report.not_started], report.completed):
        await extract_window(codes, seam, refetch=True)
        await curate_prices(seam)
    await measure_prices()
    loaded = sum([await load_table(t) for t in ("prices", "price_measures", "data_quality")], start=LoadResult())
    report.rows_loaded = loaded.inserted + loaded.updated
    await refresh_power_bi()
    return report


async def _fetch(windows: Sequence[Window], codes: list[str] | None, pace: Pace, *, refetch: bool) -> BackfillReport:
    """One child per window. They meet at the ends of years and reach no day back, so no two write one partition."""
    report, logger = BackfillReport(), get_run_logger()
    bar = await acreate_progress_artifact(0.0, key="backfill-progress", description=f"{len(windows)} windows")

    async def ended(child: Child, state: State | None) -> bool:
        window = Window.model_validate(child.parameters["window"])
        if state is not None and state.is_completed():
            report.completed.append(window)
            logger.info("%s is in the lake: %d of %d windows", window, len(report.completed), len(windows))
        else:
            report.failed[str(window)] = f"{state.name}: {state.message}" if state else "somebody deleted its run"
            logger.error("%s failed. %s", window, report.failed[str(window)])
        await aupdate_progress_artifact(bar, 100.0 * (len(report.completed) + len(report.failed)) / len(windows))
        # The quota is used up, or the source is away: the others would fare no better.
        return state is None or state.name != "Resumable"

    same = {"codes": codes, "lag_days": 0, "refetch": refetch, "publish": False}
    children = [Child(_key(w, codes, refetch=refetch), {**same, "window": w.model_dump(mode="json")}) for w in windows]
    await run_children(pace.deployment, children, pace.at_once, ended)
    return report


def _key(window: Window, codes: list[str] | None, *, refetch: bool) -> str:
    """The same for the same work, whoever asks for it."""
    some = f"-{zlib.crc32(','.join(sorted(codes)).encode()):08x}" if codes else ""
    return f"backfill-{window}{some}{'-refetch' if refetch else ''}"


def report_markdown(report: BackfillReport) -> str:
    lines = [f"| {window} | completed | |" for window in report.completed]
    lines += [f"| {window} | **failed** | {reason[:200]} |" for window, reason in report.failed.items()]
    lines += [f"| {window} | in the lake already | |" for window in report.skipped]
    lines += [f"| {window} | not started | |" for window in report.not_started]
    return "\n".join(["| window | state | reason |", "|---|---|---|", *sorted(lines)])


def _failure(report: BackfillReport) -> str:
    window, reason = next(iter(report.failed.items()))
    return (
        f"{len(report.failed)} windows failed and {len(report.not_started)} were not started; {len(report.completed)} "
        f"are in the lake. {window}: {reason} Run the backfill again with the same parameters: it does what is missing."
    )
