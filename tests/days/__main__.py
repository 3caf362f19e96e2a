"""Runs tests with the clock at another day, in every process that they start.

python -m tests.days                       the day whose turn it is
python -m tests.days 2027-01-01 --all      this one; all
python -m tests.days 2027-01-01 -- FILES   other tests, or more options of pytest
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.days.days_and_tests import DAYS, TESTS, Day, turn

ROOT = Path(__file__).parents[2]
TWO_AT_ONCE = ("-n", "2", "--dist", "loadfile", *TESTS)


def main() -> None:
    ours, theirs = _divided(sys.argv[1:])
    options = _parser().parse_args(ours)
    days = DAYS if options.all else options.days or [turn(datetime.now(UTC).date())]
    fallen = [day.name for day in days if run(day, theirs or TWO_AT_ONCE)]
    if fallen:
        sys.exit(f"Tests fell on {', '.join(fallen)}. Again: python -m tests.days {' '.join(fallen)}")


def run(day: Day, arguments: Sequence[str]) -> int:
    """What pytest ends with."""
    print(f"\nOn {day.begins:%A, %d %B %Y, %H:%M} UTC: {day.reason}", flush=True)  # noqa: T201 - a command's answer
    with tempfile.TemporaryDirectory(prefix="day-") as name:
        Path(name).chmod(0o755)  # PostgreSQL's own user reads it too
        # In a folder of its own: where folders stand that others use, pytest removes those that look days old.
        command = [sys.executable, "-m", "pytest", "--basetemp", f"{name}/pytest", *arguments]
        environment = {**os.environ, "LD_PRELOAD": str(clock(day, Path(name)))}
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def clock(day: Day, folder: Path) -> Path:
    """A library that moves the time of whatever loads it, to this day at this moment."""
    compiler = shutil.which("tcc") or shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        sys.exit("The clock is moved on Linux, and needs a C compiler: apt-get install tcc libc6-dev")
    library, now = folder / "clock.so", int(time.time())
    numbers = (f"-DSHIFT=({int(day.begins.timestamp()) - now})", f"-DBEGUN={now}")
    source = Path(__file__).with_name("clock.c")
    # Without a look at the C library tcc gives these functions no versions: else they are found by new callers alone.
    options = ("-shared", "-fPIC", "-nostdlib", *numbers)
    subprocess.run([compiler, *options, source, "-o", library], check=True)
    return library


def _divided(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What stands before `--`, and what stands behind it."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.days", description="Runs tests with the clock at another day."
    )
    parser.add_argument("days", nargs="*", type=_day, metavar="DAY", help=", ".join(day.name for day in DAYS))
    parser.add_argument("--all", action="store_true", help="all of them, one after the other")
    return parser


def _day(name: str) -> Day:
    for day in DAYS:
        if day.name == name:
            return day
    raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(day.name for day in DAYS)}")


if __name__ == "__main__":
    main()
