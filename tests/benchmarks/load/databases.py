"""What the load benchmarks share: rows as a lake has them, and databases to put them into."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import dataframely as dy
import numpy as np
import polars as pl
import psycopg
from polars.testing import assert_frame_equal

from tasks.datasets import Dataset
from tasks.load.load_result import LoadResult
from tasks.load.request import Part
from tasks.load.warehouse import open_warehouse
from tests.servers.postgres import Postgres, running_postgres
from tests.tasks.warehouses.examples import query


class Bars(dy.Schema):
    code = dy.String(primary_key=True, max_length=40)
    day = dy.Date(primary_key=True)
    open = dy.Float64()
    close = dy.Float64()
    adjusted_close = dy.Float64()
    volume = dy.Int64()


BARS = Dataset("bars", "curated", Bars, sort=("code", "day"), period="day", table="bars")
COLUMNS = "(code VARCHAR(40) NOT NULL, day DATE NOT NULL, open FLOAT8 NOT NULL, close FLOAT8 NOT NULL, \
adjusted_close FLOAT8 NOT NULL, volume INT8 NOT NULL"
KEYED = f"{COLUMNS}, PRIMARY KEY (code, day))"


@dataclass(frozen=True)
class Size:
    codes: int
    days: int


SIZE = Size(codes=4_000, days=250)
TINY = Size(codes=20, days=5)


def bars(size: Size) -> pl.DataFrame:
    random = np.random.default_rng(1)
    codes = pl.DataFrame({"code": [f"C{number:05d}.US" for number in range(size.codes)]})
    days = pl.DataFrame({"day": [date(2023, 1, 2) + timedelta(days=n) for n in range(size.days)]})
    prices = random.lognormal(3, 1, (3, size.codes * size.days))
    rows = codes.join(days, how="cross", maintain_order="left_right")
    return rows.with_columns(
        open=prices[0], close=prices[1], adjusted_close=prices[2], volume=random.integers(0, 10**9, rows.height)
    )


def load(url: str, path: Path, snapshot: str) -> LoadResult:
    """Does as a run does: what is in a Parquet file goes into the table and the ledger."""
    with open_warehouse(url) as warehouse:
        rows = pl.scan_parquet(path)
        part = Part("all", snapshot, rows, pl.DataFrame(schema=BARS.polars_schema).select(BARS.key))
        return warehouse.load(BARS, [part], run="benchmark")


def same_rows(query: Callable[[str], pl.DataFrame], ours: str, peer: str) -> None:
    """Two warehouses have the same `bars`, as the drivers of ours show them."""
    columns = list(BARS.polars_schema)
    found = [query(url).select(columns).cast(pl.Schema(BARS.polars_schema)).sort("code", "day") for url in (ours, peer)]
    assert_frame_equal(*found, rel_tol=1e-12)


@dataclass
class Databases:
    """One per contender and repetition; the one before it goes."""

    server: Postgres
    folder: Path
    _names: dict[str, str] = field(default_factory=dict)

    def new(self, contender: str, *statements: str) -> str:
        """The URL of a database in which these were run."""
        if contender in self._names:
            self.server.drop(self._names[contender])
        self._names[contender] = self.server.database()
        url = self.server.url(self._names[contender])
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in (*statements, "CHECKPOINT"):
                connection.execute(statement)
        return url

    def psql(self, url: str, *commands: str) -> None:
        words = [word for command in commands for word in ("-c", command)]
        subprocess.run([str(self.server.programs / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", url, *words], check=True)

    def copied_out(self, rows: pl.DataFrame, name: str, options: str) -> Path:
        """A file for COPY, made by the server itself."""
        rows.write_parquet(self.folder / "source.parquet")
        url = self.new("source")
        load(url, self.folder / "source.parquet", "s1")
        path = self.folder / name
        self.psql(url, f"\\copy (SELECT * FROM bars ORDER BY code, day) TO '{path}' ({options})")
        return path


@contextmanager
def databases() -> Iterator[Databases]:
    with running_postgres() as server, TemporaryDirectory() as folder:
        yield Databases(server, Path(folder))


def table_of(url: str, table: str = "bars", types: Mapping[str, pl.DataType] | None = None) -> pl.DataFrame:
    with open_warehouse(url) as warehouse:
        return query(warehouse, f"SELECT * FROM {table}", types=types or BARS.polars_schema)
