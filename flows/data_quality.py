"""The checks over what is stored, for any dates, with their trend from run to run.

`.dev/python -m flows.data_quality --help` runs it from a shell.
"""

import argparse
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

from prefect import flow
from prefect.runtime import flow_run
from pydantic import BaseModel
from rich.console import Console
from rich.markdown import Markdown

from flows.shell import run_in_shell
from tasks.errors import ContractError
from tasks.load import RunRow, load_table, record_run
from tasks.publish import publish_quality
from tasks.quality import Result, StoredDataset, check_stored
from tasks.settings import load_settings
from tasks.window import Window

_DAYS = 28


class Report(BaseModel):
    """What a run tells whoever started it: the results with their trend, and the summary as Markdown."""

    window: Window
    results: list[Result]
    summary: str


@flow(name="data-quality")
async def data_quality(
    window: Window | None = None, days: int = _DAYS, datasets: list[StoredDataset] | None = None
) -> Report:
    """Judges what is stored, whoever wrote it, and changes none of it. Fails when an error check does.

    Args:
        window: The dates to judge. Empty: the days before the day for which the run is scheduled.
        days: How many days these are.
        datasets: Empty: all that have a row in these days, or the ten weeks before them.
    """
    started = datetime.now(UTC)
    window = window or _scheduled_window(days)
    results = await check_stored(window, datasets or [])
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
        "refetch, or drop the vendor file again, for these dates; the artifact data-quality-trend shows since when."
    )


def main() -> None:
    """The flow from a shell. Prints the summary, or what failed."""
    options = _parser().parse_args()
    report = run_in_shell(_run(options))
    Console().print(Markdown(report.summary))


async def _run(options: argparse.Namespace) -> Report:
    return await data_quality(_window(options), options.days, options.datasets or None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.data_quality", description="The checks over what is stored, with their trend."
    )
    names = ", ".join(get_args(StoredDataset))
    parser.add_argument("datasets", nargs="*", type=_dataset, help=f"of {names}; none: all that are in use")
    parser.add_argument("--first", type=date.fromisoformat, help="first day, YYYY-MM-DD")
    parser.add_argument("--last", type=date.fromisoformat, help="last day, YYYY-MM-DD; default: yesterday")
    parser.add_argument("--days", type=int, default=_DAYS, help=f"how many days, without a first one ({_DAYS})")
    return parser


def _dataset(text: str) -> str:
    if text not in get_args(StoredDataset):
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(get_args(StoredDataset))}")
    return text


def _window(options: argparse.Namespace) -> Window | None:
    if options.first is None and options.last is None:
        return None
    last = options.last or datetime.now(UTC).date() - timedelta(days=1)
    if options.first is None:
        return Window(first=last, last=last).reaching_back(options.days - 1)
    return Window(first=options.first, last=last)


if __name__ == "__main__":
    main()
