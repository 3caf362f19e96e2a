"""A million rows over a table that has most of them, all with another price: ours, and psql as one would write it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from tests.benchmarks.load.databases import COLUMNS, SIZE, TINY, Size, bars, databases, load, same_rows, table_of
from tests.benchmarks.race import Contender, Race, at_most_times_as_long

__all__ = ["SIZE", "TINY", "race"]

_VALUES = ("open", "close", "adjusted_close", "volume")
_MERGE = f"""INSERT INTO bars SELECT * FROM staged ON CONFLICT (code, day) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in _VALUES)}
    WHERE {" OR ".join(f"bars.{name} IS DISTINCT FROM excluded.{name}" for name in _VALUES)}"""


@contextmanager
def race(size: Size) -> Iterator[Race]:
    before = bars(size)
    # One code in fifty is new, and the others have new prices.
    renamed = pl.when(pl.col("code").str.ends_with("00.US")).then("N" + pl.col("code")).otherwise("code")
    after = before.with_columns(close=pl.col("close") + 1, code=renamed).sort("code", "day")
    with databases() as there:
        old, new = there.folder / "old.parquet", there.folder / "new.parquet"
        before.write_parquet(old)
        after.write_parquet(new)
        binary = there.copied_out(after, "bars.bin", "FORMAT binary")

        def full(contender: str) -> str:
            url = there.new(contender)
            load(url, old, "s1")
            there.psql(url, "VACUUM ANALYZE bars", "CHECKPOINT")
            return url

        def psql(url: str) -> str:
            staged = f"CREATE TEMPORARY TABLE staged {COLUMNS}) ON COMMIT DROP"
            there.psql(url, "BEGIN", staged, f"\\copy staged FROM '{binary}' (FORMAT binary)", _MERGE, "COMMIT")
            return url

        yield Race(
            title=f"upsert {after.height:,} rows into PostgreSQL",
            ours=Contender("tasks.load", lambda url: _ours(url, new), lambda _: full("ours")),
            peers=[
                (Contender("psql: \\copy and ON CONFLICT", psql, lambda _: full("psql")), at_most_times_as_long(1.3))
            ],
            agree=lambda ours, peer: same_rows(table_of, ours, peer),
            rounds=3,
        )


def _ours(url: str, path: Path) -> str:
    load(url, path, "s2")
    return url
