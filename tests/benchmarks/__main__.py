"""Runs the named benchmarks, or all of them, and ends with status 1 when a target is missed."""

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks import BENCHMARKS, MEASUREMENTS
from tests.benchmarks.race import Race, Result, measure

_ALL = (*BENCHMARKS, *MEASUREMENTS)


def open_race(name: str, *, tiny: bool = False) -> AbstractContextManager[Race]:
    """The race of the benchmark of this name."""
    module: Any = import_module(f"tests.benchmarks.{name}")
    race: AbstractContextManager[Race] = module.race(module.TINY if tiny else module.SIZE)
    return race


def take(name: str, console: Console, *, tiny: bool = False) -> bool:
    """Shows the figures of the measurement of this name. Whether its targets are met."""
    module: Any = import_module(f"tests.benchmarks.{name}")
    met: bool = module.take(module.TINY if tiny else module.SIZE, console)
    return met


def report(results: Sequence[Result], console: Console) -> int:
    """Shows the results. Returns the status to end with: 1 when a target is missed."""
    console.print(_table(results))
    return 0 if all(result.met for result in results) else 1


def main() -> None:
    parser = _parser()
    options = parser.parse_args()
    if unknown := set(options.names) - set(_ALL):
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}; there are {', '.join(_ALL)}")
    console = Console()
    names = options.names or _ALL
    results: list[Result] = []
    for name in names:
        if name in BENCHMARKS:
            with console.status(name), open_race(name) as race:
                results += measure(race, options.rounds)
    status = report(results, console) if results else 0
    for name in names:
        if name in MEASUREMENTS and not take(name, console):
            status = 1
    raise SystemExit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description="Ours beside the peers, in the same run and on the same data."
    )
    parser.add_argument("names", nargs="*", help=f"of {', '.join(_ALL)}; none: all")
    parser.add_argument("--rounds", type=int, help="timed repetitions of each; default: what the benchmark says")
    return parser


def _table(results: Sequence[Result]) -> Table:
    table = Table(title="Medians in seconds", title_justify="left")
    table.add_column("benchmark")
    table.add_column("ours", justify="right")
    table.add_column("peer")
    table.add_column("takes", justify="right")
    table.add_column("ratio", justify="right")
    table.add_column("target")
    table.add_column("")
    for r in results:
        verdict = "met" if r.met else "[bold red]missed[/]"
        ours, theirs = f"{r.ours_seconds:.3f}", f"{r.peer_seconds:.3f}"
        table.add_row(r.title, ours, r.peer, theirs, f"{r.ratio:.2f}", str(r.target), verdict)
    return table


if __name__ == "__main__":
    main()
