"""`python -m flows.market_prices`: prices of a window of dates, from a shell."""

import argparse
import sys
from datetime import timedelta

from flows.starting.command_line import day, exit_with_reason, one_or_more, read_options, show, yesterday
from tasks.window import LAG_DAYS, Window


def main() -> int:
    """The flow, on a temporary Prefect API where none is configured. Shows the run summary."""
    options = read_options(_parser())
    with exit_with_reason():
        window = _window(options)
        from flows.market_prices import market_prices  # noqa: PLC0415
        from flows.starting.shell import run_in_shell  # noqa: PLC0415

        report = run_in_shell(
            market_prices(options.codes or None, window, options.lag_days, options.shards, options.refetch)
        )
    show(report.summary)
    if report.dashboard:
        sys.stdout.write(f"\nDashboard: {report.dashboard}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.market_prices",
        description="End-of-day prices into the lake, the warehouse and the dashboard.",
        epilog="With nothing set, prices come from a sample market. `python -m tasks.settings` shows what is in force.",
    )
    parser.add_argument("codes", nargs="*", default=None, help="instruments such as AAPL.US; none: all of the exchange")
    parser.add_argument("--first", type=day, help="first day, YYYY-MM-DD; default: two years before the last")
    parser.add_argument("--last", type=day, help="last day, YYYY-MM-DD; default: yesterday")
    parser.add_argument(
        "--lag-days", type=int, default=LAG_DAYS, help="so many days before the first are fetched again (%(default)s)"
    )
    parser.add_argument("--shards", type=one_or_more, help="in how many parts the codes are fetched")
    parser.add_argument("--refetch", action="store_true", help="fetch again what this window has already")
    return parser


def _window(options: argparse.Namespace) -> Window:
    """Raises ConfigurationError for days in the wrong order, and for a lag that the flow could not reach back."""
    last = options.last or yesterday()
    window = Window(first=options.first or last - timedelta(days=2 * 365), last=last)
    window.reaching_back(options.lag_days)
    return window
