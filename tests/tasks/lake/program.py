"""What the tests run in processes of their own. A line on the standard output tells how far it is.

python -m tests.tasks.lake.program {add,rewrite,watch,hang,big} URL ...
"""

import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import polars as pl

from tasks.datasets import PRICES
from tasks.lake import Change, Lake, SnapshotRef, open_lake
from tests.peak_memory import peak_memory
from tests.tasks.lake.examples import READINGS, change, readings

SENSORS = 20  # of a version, each in a file of its own


def add(lake: Lake, writer: str, times: str) -> None:
    """After a line on the standard input, adds rows one by one: who, and how many there were before."""
    say("ready")
    sys.stdin.readline()
    for number in range(int(times)):
        lake.update(READINGS, "p", partial(_one_more, lake, f"{writer}-{number}"), writer)
    say("done")


def _one_more(lake: Lake, sensor: str, current: SnapshotRef | None) -> Change:
    stored = lake.read(READINGS, [current] if current else []).collect()
    return change(pl.concat([stored, readings(float(stored.height), sensor=sensor)]))


def rewrite(lake: Lake) -> None:
    """Publishes version after version, of many files that all have the version as their value."""
    lake = Lake(lake.store, rows_per_file=1)
    current = lake.current(READINGS, "p")
    version = int(lake.read(READINGS, [current]).collect()["value"][0]) if current else 0
    while True:
        version += 1
        frames = [readings(float(version), sensor=f"{n:02}") for n in range(SENSORS)]
        lake.update(READINGS, "p", partial(_all_of, frames), "rewrite")
        say(str(version))


def _all_of(frames: list[pl.DataFrame], _: SnapshotRef | None) -> Change:
    return change(*frames)


def watch(lake: Lake, stop: str) -> None:
    """Reads what is current until there is a file `stop`, and tells how many versions it saw. Ends at anything odd."""
    seen: list[float] = []
    say("ready")
    while True:
        found = [s for s in lake.partitions(READINGS) if s.partition == "p"]
        rows = lake.read(READINGS, found).collect()
        versions = rows["value"].unique().to_list()
        if rows.height != SENSORS or len(versions) != 1 or found[0].rows != SENSORS:
            raise SystemExit(f"a mixture: {rows}")
        seen += versions
        if seen != sorted(seen):
            raise SystemExit(f"back to an older version: {seen}")
        if Path(stop).exists():
            say(str(len(set(seen))))
            return


def hang(lake: Lake) -> None:
    """Stops in the middle of writing a snapshot, after its first file."""

    def halfway() -> Iterator[pl.DataFrame]:
        yield readings(1.0, 2.0)
        yield readings(3.0)
        say("half")
        sys.stdin.readline()

    Lake(lake.store, rows_per_file=1).update(READINGS, "p", lambda _: Change(halfway(), ()), "hang")


def big(lake: Lake, days: str, codes: str) -> None:
    """Writes so many bars, reads all of them, and tells how many they were and the most memory that it took, in KiB."""
    first = date(1990, 1, 1)
    names = pl.DataFrame({"code": [f"C{n:06}.US" for n in range(int(codes))]})
    moment = pl.lit("2024-01-01T00:00:00Z").str.to_datetime(time_unit="us", time_zone="UTC")

    def frames() -> Iterator[pl.DataFrame]:
        for day in range(int(days)):
            price = pl.int_range(pl.len()).cast(pl.Float64) * 0.37 + day
            bars = names.with_columns(
                pl.lit(first + timedelta(days=day)).alias("date"),
                *[(price + n).alias(c) for n, c in enumerate(("open", "high", "low", "close", "adjusted_close"))],
                pl.int_range(pl.len()).alias("volume"),
                moment.alias("fetched_at"),
            )
            yield bars.select(PRICES.polars_schema.names())

    published = lake.update(PRICES, "p", lambda _: Change(frames(), ()), "big")
    assert published is not None
    read = sum(batch.height for batch in lake.read(PRICES, [published]).collect_batches(chunk_size=500_000))
    say(f"{read} {peak_memory()}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    commands: dict[str, Callable[..., None]] = {
        "add": add,
        "rewrite": rewrite,
        "watch": watch,
        "hang": hang,
        "big": big,
    }
    commands[sys.argv[1]](open_lake(sys.argv[2]), *sys.argv[3:])
