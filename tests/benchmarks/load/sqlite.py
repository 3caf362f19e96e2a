"""A million rows become a SQLite table with its key: ours, and the shell of SQLite itself."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.load.databases import KEYED, SIZE, TINY, Size, bars, load, same_rows, table_of
from tests.benchmarks.race import Contender, Race, at_most_times_as_long

__all__ = ["SIZE", "TINY", "race"]


@contextmanager
def race(size: Size) -> Iterator[Race]:
    rows = bars(size)
    shell = shutil.which("sqlite3")
    assert shell, "SQLite's shell is not installed: apt-get install sqlite3"
    with TemporaryDirectory() as name:
        source, text, found = Path(name, "bars.parquet"), Path(name, "bars.csv"), Path(name, "found")
        rows.write_parquet(source)
        rows.write_csv(text, include_header=False)
        found.mkdir()

        def imported(folder: Path) -> str:
            path = folder / "warehouse.sqlite"
            commands = [f"CREATE TABLE bars {KEYED} WITHOUT ROWID", ".mode csv", f".import {text} bars"]
            subprocess.run([shell, path, *commands], check=True)
            return f"sqlite:///{path}"

        def loaded(folder: Path) -> str:
            load(f"sqlite:///{folder}/warehouse.sqlite", source, "s1")
            return f"sqlite:///{folder}/warehouse.sqlite"

        yield Race(
            title=f"load {rows.height:,} rows into SQLite",
            ours=Contender("tasks.load", loaded, lambda _: _emptied(found / "ours")),
            peers=[
                (
                    Contender("sqlite3 .import csv", imported, lambda _: _emptied(found / "peer")),
                    at_most_times_as_long(1.3),
                )
            ],
            agree=lambda ours, peer: same_rows(table_of, ours, peer),
            rounds=3,
        )


def _emptied(folder: Path) -> Path:
    """Not the folder of the repetition, which goes with it: the results are compared after both."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
