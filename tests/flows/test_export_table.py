"""Exports, through a real Prefect server, from real databases: whole, typed, and without changing a thing."""

import asyncio
import csv
import io
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psycopg
import pytest
from polars.testing import assert_frame_equal
from prefect.blocks.system import Secret
from prefect.exceptions import FailedRun
from prefect.utilities.callables import parameter_schema

from flows.commands.export_table import _parser
from flows.export_table import export_table
from tasks.errors import ConfigurationError, ContractError, EtlError
from tasks.lake import open_lake
from tasks.lake.exports import EXPORTS, Exported, read_export
from tests.kills import kill_after
from tests.servers.postgres import Postgres, postgres

__all__ = ["postgres"]

# Prefect leaves the sockets of its event stream to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

MORNING = datetime(2024, 1, 31, 9, 30, 0, 123_456, tzinfo=UTC)
ROWS = pl.DataFrame(
    {
        "id": [1, 2, 3],
        "name": ['Zoë; "quoted", 漢字', "", None],
        "price": [0.1, -1e300, None],
        "amount": pl.Series([Decimal("12345678901234.0001"), Decimal("-0.5000"), None], dtype=pl.Decimal(18, 4)),
        "active": [True, False, None],
        "day": [date(2024, 2, 29), date(1900, 1, 1), None],
        "moment": [MORNING, datetime(1900, 1, 1, tzinfo=UTC), None],
        "data": [b"\x00\xff", b"", None],
    }
)
TYPES = {
    "sqlite": {"amount": "decimal(18, 4)", "active": "boolean", "day": "date", "moment": "datetime[UTC]"},
    "postgresql": {"amount": "decimal(18, 4)"},
}


class Shop:
    """A warehouse with the table `things`, and a lake; both are what the settings name."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.kind = url.partition(":")[0]
        self.environment = {"ETL_WAREHOUSE_URL": url, "ETL_LAKE_URL": str(folder / "lake")}
        self.lake = open_lake(str(folder / "lake"))
        types = "numeric(18, 4), active boolean, day date, moment timestamptz, data bytea"
        if self.kind == "sqlite":
            types = "TEXT, active BOOLEAN, day DATE, moment TIMESTAMP, data BLOB"
        self.execute(f"CREATE TABLE things (id bigint PRIMARY KEY, name text, price double precision, amount {types})")
        rows = [self._stored(row) for row in ROWS.iter_rows()]
        self.execute("INSERT INTO things VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *rows)

    def export(self, name: str, query: str, **parameters: Any) -> Exported:
        exported: Exported = asyncio.run(export_table(name, query, **parameters))
        return exported

    def execute(self, statement: str, *rows: tuple[object, ...]) -> None:
        if self.kind == "sqlite":
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection, connection:
                connection.executemany(statement, rows or ((),))
        else:
            with psycopg.connect(self.url) as server, server.cursor() as cursor:
                cursor.executemany(statement.replace("?", "%s"), rows or ((),))

    def count(self) -> int:
        """How many things are still there."""
        exported = self.export("count", "SELECT count(*) AS n FROM things")
        assert exported.snapshot.rows == 1
        return int(read_export(self.lake, "count").collect().item())

    def text(self, exported: Exported) -> str:
        stored = self.lake.store.read(exported.snapshot.files[0])
        assert stored is not None
        return stored.data.decode()

    def _stored(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.kind == "postgresql":
            return row
        id_, name, price, amount, active, day, moment, data = row
        texts = (day and f"{day}", moment and f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}")
        return (id_, name, price, amount and str(amount), active, *texts, data)


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_api: str
) -> Iterator[Shop]:
    def opened(url: str) -> Shop:
        shop = Shop(url, tmp_path)
        for name, value in shop.environment.items():
            monkeypatch.setenv(name, value)
        return shop

    if request.param == "sqlite":
        yield opened(f"sqlite:///{tmp_path}/warehouse.sqlite")
        return
    server: Postgres = request.getfixturevalue("postgres")
    database = server.database()
    yield opened(server.url(database))
    server.drop(database)


def test_types_and_values_come_through(shop: Shop) -> None:
    exported = shop.export("things", "SELECT * FROM things ORDER BY id", types=TYPES[shop.kind])
    assert_frame_equal(read_export(shop.lake, "things").collect(), ROWS)
    assert exported.columns == {name: str(dtype) for name, dtype in ROWS.schema.items()}
    assert pl.read_parquet(exported.location).equals(ROWS)


def test_a_csv_file(shop: Shop) -> None:
    types = {name: dtype for name, dtype in TYPES[shop.kind].items() if name in ("amount", "active", "moment")}
    columns = "id, name, price, amount, active, moment"
    exported = shop.export("things", f"SELECT {columns} FROM things ORDER BY id", types=types, format="csv")
    rows = list(csv.reader(io.StringIO(shop.text(exported), newline="")))
    assert rows == [
        columns.split(", "),
        ["1", 'Zoë; "quoted", 漢字', "0.1", "12345678901234.0001", "true", "2024-01-31T09:30:00.123456+00:00"],
        ["2", "", "-1e+300", "-0.5000", "false", "1900-01-01T00:00:00.000000+00:00"],
        ["3", "", "", "", "", ""],
    ]


def test_values_are_bound(shop: Shop) -> None:
    hostile = "x'; DROP TABLE things; --"
    shop.execute("UPDATE things SET name = ? WHERE id = 2", (hostile,))
    shop.export("one", "SELECT id FROM things WHERE name = :name", parameters={"name": hostile})
    assert read_export(shop.lake, "one").collect().rows() == [(2,)]
    query = "SELECT id FROM things WHERE id IN :ids AND price < :price AND active = :active"
    shop.export("two", query, parameters={"ids": [1, 3, 7], "price": 0.5, "active": True})
    assert read_export(shop.lake, "two").collect().rows() == [(1,)]
    assert shop.count() == 3


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM things",
        "DELETE FROM things RETURNING id",
        "INSERT INTO things (id) VALUES (9) RETURNING id",
        "UPDATE things SET name = 'x'",
        "DROP TABLE things",
        "CREATE TABLE others (id bigint)",
    ],
)
def test_what_is_no_query_is_refused(shop: Shop, statement: str) -> None:
    with pytest.raises(ConfigurationError, match=r"may (never|not) write|refuses the query"):
        shop.export("never", statement)
    assert shop.count() == 3
    assert [s.partition for s in shop.lake.partitions(EXPORTS)] == ["count"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "../things"}, "'../things' cannot be the name of an export"),
        ({"query": "SELECT * FROM no_such_table"}, "no_such_table"),
        ({"query": "SELEC"}, "refuses the query"),
        ({"query": "SELECT 1 AS a, 2 AS a"}, "several columns of the same name: a"),
        ({"query": "SELECT :a AS a"}, r"takes the parameters \['a'\], but was given \[\]"),
        ({"parameters": {"b": 1}}, r"takes the parameters \[\], but was given \['b'\]"),
        ({"types": {"n": "money"}}, "'money', of the column n, is not a type"),
        ({"types": {"m": "int64"}}, "has no column m, for which a type was given"),
        ({"types": {"n": "date"}}, "The column n of the answer is Int.*, and 1 of its values are no Date"),
        ({"warehouse": "postgresql://me:secret@host/db"}, "has a password in it, which Prefect would keep"),
        ({"warehouse": "no-such-block"}, "There is no Secret block no-such-block"),
        ({"warehouse": "gopher://host/db"}, "gopher"),
    ],
)
def test_what_makes_no_sense_is_refused(shop: Shop, change: dict[str, Any], message: str) -> None:
    with pytest.raises(EtlError, match=message) as refusal:
        shop.export(**{"name": "never", "query": "SELECT 1 AS n", **change})
    assert isinstance(refusal.value, ConfigurationError | ContractError)
    assert shop.lake.partitions(EXPORTS) == []


def test_an_export_that_fails_half_way_leaves_the_old_one(shop: Shop) -> None:
    """A connection that the server ends, and an error at a row far behind."""
    before = shop.export("big", numbers(shop, 150_000, "n"))
    last = "pg_terminate_backend(pg_backend_pid())" if shop.kind == "postgresql" else "json('no json')"
    with pytest.raises((EtlError, FailedRun)) as failure:
        shop.export("big", numbers(shop, 200_000, f"CASE WHEN n = 180000 THEN {last} END"))
    resumable = isinstance(failure.value, FailedRun)
    assert resumable == (shop.kind == "postgresql"), failure.value
    assert shop.lake.partitions(EXPORTS) == [before.snapshot]
    assert read_export(shop.lake, "big").collect().height == 150_000
    assert len(list(shop.lake.store.entries("published/exports/"))) == 2


def numbers(shop: Shop, count: int, value: str) -> str:
    series = f"generate_series(1, {count}) AS s(n)"
    if shop.kind == "sqlite":
        series = f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s)"
    return f"SELECT n, {value} AS value FROM {series}"


def test_the_same_rows_again_are_the_same_snapshot(shop: Shop) -> None:
    query = "SELECT id, name FROM things ORDER BY id"
    first = shop.export("things", query)
    again = shop.export("things", query)
    assert (first.changed, again.changed) == (True, False)
    assert again.snapshot == first.snapshot
    shop.execute("UPDATE things SET name = 'new' WHERE id = 3")
    assert shop.export("things", query).changed


def test_no_rows_have_their_columns(shop: Shop) -> None:
    exported = shop.export("none", "SELECT id, name FROM things WHERE id > 100")
    assert exported.snapshot.rows == 0
    assert read_export(shop.lake, "none").collect().columns == ["id", "name"]


def test_another_warehouse_by_url_or_by_block(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_WAREHOUSE_URL", "sqlite:////no/such/folder/warehouse.sqlite")
    Secret(value=shop.url).save("the-shop", overwrite=True, _sync=True)  # type: ignore[call-arg]
    shop.export("block", "SELECT id FROM things", warehouse="the-shop")
    assert read_export(shop.lake, "block").collect().height == 3
    if shop.kind == "sqlite":
        shop.export("url", "SELECT id FROM things", warehouse=shop.url)
        assert read_export(shop.lake, "url").collect().height == 3


def test_the_form_says_what_to_fill_in() -> None:
    fields = parameter_schema(export_table).model_dump()
    assert fields["required"] == ["name", "query"]
    assert all(field["description"] for field in fields["properties"].values())
    assert fields["properties"]["format"]["enum"] == ["parquet", "csv"]


def test_what_was_exported_is_told(shop: Shop, prefect_api: str) -> None:
    shop.export("told_to_all", "SELECT id, name FROM things")
    filters = {"artifacts": {"key": {"any_": ["export-told-to-all"]}}, "sort": "CREATED_DESC", "limit": 1}
    (artifact,) = httpx.post(f"{prefect_api}/artifacts/filter", json=filters).json()
    assert "**3 rows**" in artifact["data"]
    assert "| name | String |" in artifact["data"]


def test_from_a_shell(shop: Shop, prefect_api: str, tmp_path: Path) -> None:
    query = tmp_path / "query.sql"
    query.write_text("SELECT id, name FROM things WHERE id <> :id AND name IN :names", encoding="utf-8")
    options = ["--parameter", "id=3", "--parameter", 'names=["", "x"]', "--type", "id=decimal(5, 0)"]
    run = shell(shop, prefect_api, "shell", f"@{query}", *options)
    assert run.returncode == 0, run.stderr
    assert "1 rows" in run.stdout
    assert read_export(shop.lake, "shell").collect().rows() == [(Decimal(2), "")]
    refused = shell(shop, prefect_api, "shell", "DELETE FROM things")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr.rpartition("Finished in state")[2]


def test_a_query_in_a_file_that_is_not_there_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _parser().parse_args(["name", "@/no/such.sql"])
    assert "the file /no/such.sql cannot be read" in capsys.readouterr().err


def shell(shop: Shop, api: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "flows.export_table", *options],
        env={**os.environ, **shop.environment, "PREFECT_API_URL": api},
        capture_output=True,
        text=True,
        check=False,
    )


MEASURED = """
import asyncio, sys
import flows.export_table, tasks.load.warehouse, adbc_driver_sqlite.dbapi, adbc_driver_postgresql.dbapi
from tests.peak_memory import peak_memory

before = peak_memory()
exported = asyncio.run(flows.export_table.export_table("million", sys.argv[1], format=sys.argv[2]))
sys.stdout.write(f"{exported.snapshot.rows} {peak_memory() - before}")
"""


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_a_million_rows_need_little_memory(shop: Shop, prefect_api: str, file_format: str) -> None:
    text = "'row number ' || n || ' of a million, with a text that is as long as many are'"
    query = numbers(shop, 1_000_000, ", ".join([text, *(f"n * 1.{i}e0 AS c{i}" for i in range(1, 8)), "n"]))
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, query, file_format],
        env={**os.environ, **shop.environment, "PREFECT_API_URL": prefect_api},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    rows, kib = map(int, run.stdout.split()[-2:])
    assert rows == 1_000_000
    assert kib < 400 * 1024, f"{kib / 1024:.0f} MiB"


KILLS = 8


@pytest.mark.timeout(900)
@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
def test_a_killed_export_started_again_is_as_one_undisturbed(shop: Shop, prefect_api: str, tmp_path: Path) -> None:
    shop.export("killed", "SELECT id FROM things")
    begun = begin(shop, prefect_api, tmp_path)
    started = time.monotonic()
    assert begun.wait(timeout=120) == 0
    duration = time.monotonic() - started
    expected = read_export(shop.lake, "killed").collect()
    assert expected.height == 400_000
    seed = random.SystemRandom().randrange(1_000_000)
    moments = random.Random(seed)
    killed = 0
    for number in range(KILLS):
        old = shop.export("killed", "SELECT id FROM things WHERE id > :least", parameters={"least": number % 3})
        process = begin(shop, prefect_api, tmp_path)
        killed += kill_after(moments.uniform(0, duration), process)
        now = read_export(shop.lake, "killed").collect()
        assert now.height in (old.snapshot.rows, expected.height), f"neither old nor new (seed {seed})"
        assert begin(shop, prefect_api, tmp_path).wait(timeout=120) == 0
        assert_frame_equal(read_export(shop.lake, "killed").collect(), expected)
    assert killed >= KILLS / 2, "most exports ended before they were killed, so that this shows nothing"


def begin(shop: Shop, api: str, folder: Path) -> "subprocess.Popen[bytes]":
    """Starts an export in a process of its own, and waits until the flow has begun."""
    log = folder / f"{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.export_table", "killed", numbers(shop, 400_000, "n * 0.5")],
            env={**os.environ, **shop.environment, "PREFECT_API_URL": api},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + 60
    while b"Beginning flow run" not in log.read_bytes():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)  # polled, with a deadline
    return process
