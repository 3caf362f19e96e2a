"""Searches the model for longer than the tests do: `python -m tests.reliability --model --minutes 60`."""

import argparse
import sys
import time

from rich.console import Console
from rich.table import Table

from tests.reliability.model import MUTANTS
from tests.reliability.search import Found, search, walk


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("--model", action="store_true", required=True, help="search the model of the work pool")
    parser.add_argument("--minutes", type=float, default=1.0, help="in all; half of it for ways at random")
    options = parser.parse_args()
    table = Table("what", "surprises", "states", "depth", "wrong")
    wrong = [_searches(table, 30 * options.minutes), _walks(table, 30 * options.minutes), _mutants(table)]
    Console().print(table)
    return int(any(wrong))


def _searches(table: Table, seconds: float) -> bool:
    deadline, surprises, found = time.monotonic() + seconds, 0, Found(0, 0)
    while time.monotonic() < deadline and not found.complaint:
        found = search(surprises=surprises, seconds=deadline - time.monotonic())
        whole = "all states" if time.monotonic() < deadline else "the first states"
        table.add_row(whole, str(surprises), f"{found.states:,}", str(found.depth), _told(found))
        surprises += 1
    return bool(found.complaint)


def _walks(table: Table, seconds: float) -> bool:
    deadline, seed, found = time.monotonic() + seconds, 0, Found(0, 0)
    states = depth = 0
    while time.monotonic() < deadline and not found.complaint:
        found = walk(seed=seed)
        seed, states, depth = seed + 1, states + found.states, max(depth, found.depth)
    table.add_row(f"{seed:,} ways at random", "8", f"{states:,}", str(depth), _told(found))
    return bool(found.complaint)


def _mutants(table: Table) -> bool:
    missed = False
    for mutant in MUTANTS:
        found = next((f for n in range(4) if (f := search(mutant, surprises=n)).complaint), Found(0, 0))
        table.add_row(f"mutant: {mutant}", "", f"{found.states:,}", str(found.depth), found.complaint or "not found")
        missed = missed or not found.complaint
    return missed


def _told(found: Found) -> str:
    return "\n".join((found.complaint, *found.story)) if found.complaint else "none"


if __name__ == "__main__":
    sys.exit(main())
