"""A million rows become a PostgreSQL table with its key: ours with staging, ledger and checks, and other ways."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dlt
import polars as pl
import psycopg
import pyarrow as pa

from tests.benchmarks.load.databases import (
    COLUMNS,
    KEYED,
    SIZE,
    TINY,
    Databases,
    Size,
    bars,
    databases,
    load,
    same_rows,
    table_of,
)
from tests.benchmarks.race import Contender, Race, at_most_times_as_long, times_as_fast

__all__ = ["SIZE", "TINY", "race"]


@contextmanager
def race(size: Size) -> Iterator[Race]:
    """Peers that take a file get one of their own format; only ours and the two with a key make the primary key."""
    rows = bars(size)
    with databases() as there:
        source = there.folder / "bars.parquet"
        rows.write_parquet(source)
        arrow = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        binary = there.copied_out(rows, "bars.bin", "FORMAT binary")
        text = there.copied_out(rows, "bars.csv", "FORMAT csv")

        def copied(url: str) -> str:
            there.psql(url, f"\\copy bars FROM '{binary}' (FORMAT binary)")
            return url

        peers = [
            (_peer(there, "psql \\copy binary, with key", KEYED, copied), at_most_times_as_long(2.5)),
            (_peer(there, "psql \\copy binary, no key", f"{COLUMNS})", copied), at_most_times_as_long(2.5)),
            (_peer(there, "psycopg COPY of csv, with key", KEYED, lambda url: _psycopg(url, text)), times_as_fast(1)),
            *((_dlt(there, form, arrow), times_as_fast(1)) for form in ("insert_values", "csv", "parquet")),
        ]
        yield Race(
            title=f"load {rows.height:,} rows into PostgreSQL",
            ours=Contender("tasks.load", lambda url: _ours(url, source), lambda _: there.new("ours")),
            peers=peers,
            agree=lambda ours, peer: same_rows(_found, ours, peer),
            rounds=3,
        )


def _ours(url: str, source: Path) -> str:
    load(url, source, "s1")
    return url


def _peer(there: Databases, name: str, columns: str, run: Any) -> Contender:
    return Contender(name, run, lambda _: there.new(name, f"CREATE TABLE bars {columns}"))


def _psycopg(url: str, text: Path) -> str:
    with (
        psycopg.connect(url) as connection,
        connection.cursor() as cursor,
        text.open("rb") as file,
        cursor.copy("COPY bars FROM STDIN (FORMAT csv)") as copy,
    ):
        while block := file.read(1 << 20):
            copy.write(block)
    return url


def _dlt(there: Databases, form: Any, arrow: pa.Table) -> Contender:
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}

    def run(state: tuple[Path, str]) -> str:
        folder, url = state
        pipeline = dlt.pipeline(
            "bars", pipelines_dir=str(folder), destination=dlt.destinations.postgres(url), dataset_name="public"
        )
        pipeline.run(dlt.resource([arrow], name="bars"), loader_file_format=form)
        return url

    name = f"dlt, {form}"
    return Contender(name, run, lambda folder: (folder, there.new(name)))


def _found(url: str) -> pl.DataFrame:
    return table_of(url)
