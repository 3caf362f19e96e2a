"""Rows through an ODBC driver, PostgreSQL's: ours with ledger and checks, and executemany as scripts use it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyodbc
import sqlalchemy as sa

from tests.benchmarks.load.databases import KEYED, TINY, Size, bars, databases, load, same_rows, table_of
from tests.benchmarks.race import Contender, Race, times_as_fast

__all__ = ["SIZE", "TINY", "race"]

SIZE = Size(codes=400, days=250)  # a tenth of the others: executemany needs a minute for a million


@contextmanager
def race(size: Size) -> Iterator[Race]:
    rows = bars(size)
    with databases() as there:
        source = there.folder / "bars.parquet"
        rows.write_parquet(source)
        values = rows.rows()

        def ours(url: str) -> str:
            load(url.replace("postgresql:", "odbc+postgresql:", 1), source, "s1")
            return url

        def executemany(url: str) -> str:
            with pyodbc.connect(_string(url)) as connection, connection.cursor() as cursor:
                cursor.executemany("INSERT INTO bars VALUES (?, ?, ?, ?, ?, ?)", values)
            return url

        def peer(_: object) -> str:
            return there.new("peer", f"CREATE TABLE bars {KEYED}")

        yield Race(
            title=f"load {rows.height:,} rows into PostgreSQL through ODBC",
            ours=Contender("tasks.load, odbc+postgresql://", ours, lambda _: there.new("ours")),
            peers=[(Contender("pyodbc executemany", executemany, peer), times_as_fast(5))],
            agree=lambda one, other: same_rows(table_of, one, other),
            rounds=3,
        )


def _string(url: str) -> str:
    at = sa.make_url(url)
    words = {"Driver": "PostgreSQL Unicode", "Server": at.host, "Port": at.port, "Database": at.database}
    return ";".join(f"{k}={v}" for k, v in {**words, "UID": at.username, "PWD": at.password}.items())
