"""`python -m flows.reconcile`: what lake and warehouse have lost is found and mended, from a shell."""

import argparse
import sys

from flows.starting.command_line import exit_with_reason, read_options, show


def main() -> int:
    """The flow, on a temporary Prefect API where none is configured. Says what was found, and what was loaded."""
    options = read_options(_parser())
    with exit_with_reason():
        from flows.reconcile import reconcile  # noqa: PLC0415
        from flows.starting.shell import run_in_shell  # noqa: PLC0415

        report = run_in_shell(reconcile(options.tables or None, options.plan, options.lake_is_right))
    show(report.summary)
    if not options.plan:
        text = f"{report.inserted} rows inserted, {report.updated} updated, {report.deleted} deleted\n"
        sys.stdout.write(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.reconcile",
        description="Finds what lake and warehouse have lost, and mends it. No other run may be at work meanwhile.",
    )
    parser.add_argument("tables", nargs="*", help="those to bring up to the lake; none: all")
    parser.add_argument("--plan", action="store_true", help="say what was found, and end")
    parser.add_argument(
        "--lake-is-right",
        action="store_true",
        help="delete from the tables what the lake does not have, although it is older than they are, or lost a part",
    )
    return parser
