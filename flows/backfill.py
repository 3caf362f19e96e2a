"""Years of prices: one child run of market-prices per window, on as many machines as asked for; resumable.

`.dev/python -m flows.backfill --help` starts it from a shell; `--plan` only says what it would take.
"""

import argparse
import zlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_markdown_artifact, acreate_progress_artifact, aupdate_progress_artifact
from prefect.client.schemas.objects import State
from prefect.states import Failed
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.markdown import Markdown

from flows.backfill_plan import Pace, plan_text
from flows.children import Child, run_children
from flows.market_prices import extract_window
from flows.shell import exit_with_reason, run_in_shell
from tasks.extract import find_missing
from tasks.load import LoadResult, load_table
from tasks.publish import refresh_power_bi
from tasks.transform import curate_prices, measure_prices
from tasks.window import Window

CatchUp = Literal["all", "last", "none"]

_PACE = Pace()
_SEAM = 7  # days


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
    plan = plan_text(span, wanted, pace, codes)
    get_run_logger().info("The plan\n%s", plan)
    await acreate_markdown_artifact(plan, key="backfill-plan", description=f"Prices of {span}")
    if plan_only or not wanted:
        return BackfillReport(skipped=[w for w in windows if w not in missing], not_started=missing)

    report = await _fetch(wanted, codes, pace, refetch=refetch)
    report.skipped = [w for w in windows if w not in missing]
    report.not_started = [w for w in missing if w not in report.completed and str(w) not in report.failed]
    await acreate_markdown_artifact(_markdown(report), key="backfill", description=f"Prices of {span}")
    if report.failed:
        return Failed(name="Resumable", message=_failure(report))  # type: ignore[return-value]  # the run's state
    for seam in _seams([w for w in windows if w not in report.not_started], report.completed):
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


def _seams(windows: Sequence[Window], fetched: Sequence[Window]) -> list[Window]:
    """The last days of each window that was in the lake already, beside one that was fetched now.

    The source may have restated the older one's adjusted closes since: fetching these days again shows it."""
    found = []
    for window, after in zip(windows, [*windows[1:], None], strict=True):
        before = windows[windows.index(window) - 1] if window != windows[0] else None
        if window not in fetched and (before in fetched or after in fetched):
            found.append(Window(first=max(window.first, window.last - timedelta(days=_SEAM - 1)), last=window.last))
    return found


def _markdown(report: BackfillReport) -> str:
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


def main() -> None:
    """The flow from a shell. Its children are runs of a deployment, so a Prefect API and a worker are needed."""
    parser = _parser()
    o = parser.parse_args()
    last = o.last or datetime.now(UTC).date() - timedelta(days=1)
    chosen = {name: getattr(o, name) for name in Pace.model_fields if getattr(o, name) is not None}
    codes = o.codes or None
    try:
        pace = Pace(**chosen)
    except ValidationError as error:
        parser.error("; ".join(f"--{str(e['loc'][0]).replace('_', '-')}: {e['msg']}" for e in error.errors()))
    if o.plan:
        with exit_with_reason():
            span = Window(first=o.first, last=last)
            text = plan_text(span, list(span.by_years(pace.years_per_window)), pace, codes)
    else:
        text = _markdown(run_in_shell(backfill(o.first, last, codes, o.catch_up, o.refetch, pace=pace)))
    Console().print(Markdown(text))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flows.backfill", description="Years of prices, on many machines.")
    parser.add_argument("codes", nargs="*", help="instruments such as AAPL.US; none: all of the exchange")
    parser.add_argument("--first", type=date.fromisoformat, required=True, help="first day, YYYY-MM-DD")
    parser.add_argument("--last", type=date.fromisoformat, help="last day, YYYY-MM-DD; default: yesterday")
    parser.add_argument("--catch-up", choices=get_args(CatchUp), default="all", help="which missing windows (all)")
    parser.add_argument("--refetch", action="store_true", help="fetch again what the lake has already")
    parser.add_argument("--plan", action="store_true", help="say what it would take, and end")
    for name, field in Pace.model_fields.items():
        # Pydantic reads the text.
        parser.add_argument(f"--{name.replace('_', '-')}", help=f"{field.description} ({field.default})")
    return parser


if __name__ == "__main__":
    main()
