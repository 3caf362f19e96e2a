"""`python -m flows.housekeeping`: removes what nobody will read again, from a shell."""

import argparse
import sys

from flows.starting.command_line import exit_with_reason, read_options
from tasks.retention_period import DEFAULT_DAYS, retention_of


def main() -> int:
    """The flow, on a temporary Prefect API where none is configured. Says how much was removed."""
    options = read_options(_parser())
    with exit_with_reason():
        retention_of(options.retention_days)
        from flows.housekeeping import housekeeping  # noqa: PLC0415
        from flows.starting.shell import run_in_shell  # noqa: PLC0415

        results = run_in_shell(housekeeping(options.retention_days))
    removed, freed = sum(kept.removed for kept in results), sum(kept.bytes for kept in results)
    sys.stdout.write(f"{removed} snapshots removed from the lake, {freed:,} bytes\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.housekeeping",
        description="Removes superseded snapshots, abandoned files and old staging tables.",
    )
    parser.add_argument(
        "--retention-days", type=float, default=DEFAULT_DAYS, help="how long they are kept (%(default)g)"
    )
    return parser
