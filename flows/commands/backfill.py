"""`python -m flows.backfill`: years of prices, from a shell."""

import argparse
from typing import get_args

from flows.starting.command_line import day, exit_with_reason, read_fields, read_options, show, yesterday
from tasks.extract.prices.backfill_pace import CatchUp, Pace, estimate_text
from tasks.window import Window


def main() -> int:
    """The flow. Its children are runs of a deployment, which need a Prefect API and a worker; a plan does not."""
    parser = _parser()
    options = read_options(parser)
    pace, codes = read_fields(parser, options, Pace), options.codes or None
    with exit_with_reason():
        span = Window(first=options.first, last=options.last or yesterday())
        if options.plan:
            show(estimate_text(span, list(span.by_years(pace.years_per_window)), pace, codes))
            return 0
        from flows.backfill import backfill, report_markdown  # noqa: PLC0415
        from flows.starting.shell import run_in_shell  # noqa: PLC0415

        run = backfill(span.first, span.last, codes, options.catch_up, options.refetch, pace=pace)
        show(report_markdown(run_in_shell(run)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flows.backfill", description="Years of prices, on many machines.")
    parser.add_argument("codes", nargs="*", help="instruments such as AAPL.US; none: all of the exchange")
    parser.add_argument("--first", type=day, required=True, help="first day, YYYY-MM-DD")
    parser.add_argument("--last", type=day, help="last day, YYYY-MM-DD; default: yesterday")
    parser.add_argument("--catch-up", choices=get_args(CatchUp), default="all", help="which missing windows (all)")
    parser.add_argument("--refetch", action="store_true", help="fetch again what the lake has already")
    parser.add_argument("--plan", action="store_true", help="say what it would take, and end")
    for name, field in Pace.model_fields.items():
        # Pydantic reads the text.
        parser.add_argument(f"--{name.replace('_', '-')}", help=f"{field.description} ({field.default})")
    return parser
