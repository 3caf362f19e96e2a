"""Years of prices: one child run of market-prices per window, on as many machines as asked for; resumable.

`.dev/python -m flows.backfill --help` starts it from a shell; `--plan` only says what it would take.
"""

if __name__ == "__main__":  # what was typed is checked before Prefect is imported, which takes seconds
    from flows.commands.backfill import main

    raise SystemExit(main())

import zlib
from collections.abc import Sequence
from datetime import UTC, date, datetime

from prefect import flow, get_run_logger
from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.starting.children import Child, run_children
from flows.starting.resumable import resumable
from tasks.codes import qualified
from tasks.coverage.stored import Missing
from tasks.errors import TransientError
from tasks.extract import begin_refetch, end_refetch, extract_prices, find_missing, plan_spans
from tasks.extract.prices.backfill_pace import CatchUp, Pace, estimate_text
from tasks.load import load_tables
from tasks.prefect_api.artifacts import keep_artifact
from tasks.publish import refresh_power_bi
from tasks.reasons import grouped
from tasks.settings import load_settings
from tasks.transform import curate_prices, find_restated, find_seams, measure_prices
from tasks.window import Window

_PACE = Pace()


class BackfillReport(BaseModel):
    """What became of each window, what they still lack, and how many rows went to the warehouse."""

    completed: list[Window] = []
    skipped: list[Window] = []
    failed: dict[str, str] = {}  # window to reason
    not_started: list[Window] = []
    missing: dict[str, dict[str, str]] = {}  # window to codes, with their days and why
    rows_loaded: int = 0


@flow(name="backfill")
@resumable
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
        refetch: Fetch again what the lake has already. One that was stopped goes on where it was.
        plan_only: Say what it would take, and end.
        pace: How long the windows are, and how many are fetched at once.
    """
    if codes is not None:
        codes = qualified(codes, load_settings().exchange)
    span = Window(first=first, last=last)
    windows = list(span.by_years(pace.years_per_window))
    refetched = f"{span}-{pace.years_per_window}{_some(codes)}"
    since = await begin_refetch(refetched) if refetch and not plan_only else None
    lacking = [] if refetch and plan_only else await find_missing(windows, codes, since)
    for some in lacking:
        get_run_logger().info("%s: %s", some.window, some)
    missing = windows if refetch and plan_only else [some.window for some in lacking]
    wanted = {"all": missing, "last": missing[-1:], "none": []}[catch_up]
    plan = estimate_text(span, wanted, pace, codes)
    get_run_logger().info("The plan\n%s", plan)
    await keep_artifact(acreate_markdown_artifact(plan, key="backfill-plan", description=f"Prices of {span}"))
    if plan_only or catch_up == "none":
        return BackfillReport(skipped=[w for w in windows if w not in missing], not_started=missing)

    report = await _fetch(wanted, codes, pace, since)
    report.skipped += [w for w in windows if w not in missing]
    report.not_started = [w for w in missing if w not in report.completed and str(w) not in report.failed]
    report.not_started = [w for w in report.not_started if w not in report.skipped]
    _note_missing(report, await find_missing(windows, codes, since))
    await _tell(report, span)
    if report.failed:
        raise TransientError(_failure(report))
    await _compare(span, windows)
    report.rows_loaded = await _publish()
    if report.missing:
        raise TransientError(_failure(report))
    if since:
        await end_refetch(refetched, since)
    return report


async def _fetch(
    windows: Sequence[Window], codes: list[str] | None, pace: Pace, since: datetime | None
) -> BackfillReport:
    """One child per window. They meet at the ends of years and reach no day back, so no two write one partition."""
    report, logger = BackfillReport(), get_run_logger()
    bar = await keep_artifact(
        acreate_progress_artifact(0.0, key="backfill-progress", description=f"{len(windows)} windows")
    )

    async def needed(child: Child) -> bool:
        window = Window.model_validate(child.parameters["window"])
        if await find_missing([window], codes, since):
            return True
        logger.info("%s has come into the lake meanwhile", window)
        report.skipped.append(window)
        return False

    async def ended(child: Child, state: State | None) -> bool:
        window = Window.model_validate(child.parameters["window"])
        if state is not None and state.is_completed():
            report.completed.append(window)
            logger.info("%s is fetched: %d of %d windows", window, len(report.completed), len(windows))
        else:
            report.failed[str(window)] = f"{state.name}: {state.message}" if state else "somebody deleted its run"
            logger.error("%s failed. %s", window, report.failed[str(window)])
        if bar:
            await keep_artifact(
                aupdate_progress_artifact(bar, 100.0 * (len(report.completed) + len(report.failed)) / len(windows))
            )
        # The quota is used up, or the source is away: the others would fare no better.
        return state is None or state.name != "Resumable"

    same = {"codes": codes, "lag_days": 0, "publish": False, "since": since.isoformat() if since else None}
    children = [Child(_key(w, codes, since), {**same, "window": w.model_dump(mode="json")}) for w in windows]
    await run_children(pace.deployment, children, pace.at_once, needed, ended)
    return report


def _key(window: Window, codes: list[str] | None, since: datetime | None) -> str:
    """The same for the same work, whoever asks for it."""
    return f"backfill-{window}{_some(codes)}{f'-since-{since:%Y%m%dT%H%M%S}' if since else ''}"


def _some(codes: list[str] | None) -> str:
    return f"-{zlib.crc32(','.join(sorted(codes)).encode()):08x}" if codes else ""


async def _compare(span: Window, windows: Sequence[Window]) -> None:
    """Where a history was fetched on different days, its oldest part is compared with what the source says now."""
    now = datetime.now(UTC)
    witnesses = await find_seams(span, windows)
    for shard in await plan_spans(witnesses, span, "witness"):
        await extract_prices(shard, since=now)
    if witnesses:
        for shard in await plan_spans(await find_restated(span, within=True), span, "history"):
            await extract_prices(shard, since=now)
        await curate_prices(span)


async def _publish() -> int:
    """Measures, and the warehouse. Returns how many rows were loaded."""
    await measure_prices()
    loaded = await load_tables(["prices", "price_measures", "data_quality"])
    await refresh_power_bi()
    return loaded.inserted + loaded.updated


def _note_missing(report: BackfillReport, found: Sequence[Missing]) -> None:
    """What the windows lack that were fetched, whatever their runs say of themselves."""
    report.missing = {str(some.window): some.by_code() for some in found if some.window in report.completed}
    report.completed = [w for w in report.completed if str(w) not in report.missing]


async def _tell(report: BackfillReport, span: Window) -> None:
    await keep_artifact(
        acreate_markdown_artifact(report_markdown(report), key="backfill", description=f"Prices of {span}")
    )
    lacking = [
        {"window": window, "code": code, "missing": what}
        for window, codes in report.missing.items()
        for code, what in codes.items()
    ]
    await keep_artifact(acreate_table_artifact(lacking, key="backfill-missing", description=f"Codes that {span} lacks"))


def report_markdown(report: BackfillReport) -> str:
    lines = [f"| {window} | completed | |" for window in report.completed]
    lines += [f"| {window} | **failed** | {reason[:200]} |" for window, reason in report.failed.items()]
    lines += [f"| {window} | **lacks codes** | {grouped(codes.items())} |" for window, codes in report.missing.items()]
    lines += [f"| {window} | in the lake already | |" for window in report.skipped]
    lines += [f"| {window} | not started | |" for window in report.not_started]
    return "\n".join(["| window | state | reason |", "|---|---|---|", *sorted(lines)])


def _failure(report: BackfillReport) -> str:
    told = [f"{window}: {reason}" for window, reason in list(report.failed.items())[:1]]
    told += [f"{window}: {grouped(codes.items())}." for window, codes in report.missing.items()]
    return (
        f"{len(report.failed)} windows failed, {len(report.missing)} lack codes and {len(report.not_started)} were not "
        f"started; {len(report.completed)} are in the lake. {' '.join(told)} Run the backfill again with the same "
        "parameters: it does what is missing."
    )
