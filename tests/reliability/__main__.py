"""What the tests do in small, for longer: `python -m tests.reliability --model --minutes 60` searches the model, and
`--users --minutes 10` has users change their minds on real servers."""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from azure_batch_emulator.running_emulator import running_emulator
from tests.deployments.azure_batch.stage import create_pool, make_stage
from tests.reliability.model import MUTANTS
from tests.reliability.search import Found, search, walk
from tests.reliability.users import live_through
from tests.servers.postgres import running_postgres
from tests.servers.prefect_on_postgres import prefect_on_postgres

_OPEN_RUNS = 40


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--model", action="store_true", help="search the model; half of the time for ways at random")
    kind.add_argument("--users", action="store_true", help="cancel, delete, force and retry runs by the hundred")
    parser.add_argument("--minutes", type=float, default=1.0, help="in all")
    options = parser.parse_args()
    return _model(options.minutes) if options.model else _users(options.minutes)


def _users(minutes: float) -> int:
    """A slot, a worker, a run or a task that is lost raises AssertionError."""
    end = time.monotonic() + 60 * minutes
    with (
        TemporaryDirectory() as home,
        running_postgres() as postgres,
        prefect_on_postgres(postgres, Path(home) / "prefect") as api,
        running_emulator(speed=30) as emulator,
    ):
        create_pool(emulator, nodes=4, slots=8)
        story = live_through(make_stage(api, emulator), lambda _: time.monotonic() < end, _OPEN_RUNS)
    table = Table("what", "count")
    counts = {"runs": story.runs, "tasks": story.tasks, "workers that ran once": story.ran_once}
    for what, count in (counts | story.changes | {f"at last {name}": n for name, n in story.ends.items()}).items():
        table.add_row(what, f"{count:,}")
    table.add_row("seconds until all slots were taken and free", f"{story.last:.0f}")
    Console().print(table)
    return 0


def _model(minutes: float) -> int:
    table = Table("what", "surprises", "states", "depth", "wrong")
    wrong = [_searches(table, 30 * minutes), _walks(table, 30 * minutes), _mutants(table)]
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
