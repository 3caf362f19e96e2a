"""Lives as many lives as asked for, one seed each, and ends with status 1 if the lake says otherwise after a run."""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.flows.living_source.sequence import Life


def lived(seed: int, runs: int) -> str | None:
    """What was wrong after a run, with all that happened until then; None where nothing was. Each third is in bulk."""
    with TemporaryDirectory() as folder:
        try:
            Life(seed, Path(folder), bulk=seed % 3 == 2).live(runs)
        except AssertionError as error:
            return str(error)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.flows.living_source", description=__doc__)
    parser.add_argument("--sequences", type=int, default=1000, help="seeds (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=7, help="runs after the first (default: %(default)s)")
    options = parser.parse_args()
    began, wrong = time.monotonic(), 0
    for seed in range(options.first, options.first + options.sequences):
        if story := lived(seed, options.runs):
            wrong += 1
            sys.stdout.write(f"{story}\n\n")
        sys.stdout.write(f"seed {seed}: {'wrong' if story else 'right'}, {time.monotonic() - began:.0f} s\n")
        sys.stdout.flush()
    sys.stdout.write(f"{options.sequences} sequences, {wrong} wrong\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
