"""A connection that breaks leaves everything as it was, in whichever phase of a load; or the ledger says it is done."""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from tasks.database.queries import stream
from tasks.database.transaction import writing
from tasks.errors import TransientError
from tasks.load.load_result import LoadResult
from tasks.load.request import Part
from tasks.load.warehouse import Warehouse, open_warehouse
from tests.servers.postgres import Postgres
from tests.tasks.warehouses import program
from tests.tasks.warehouses.cutting_proxy import CuttingProxy, cutting_proxy
from tests.tasks.warehouses.examples import QUOTES, query, quotes, table

BEFORE = program.rows(0, "1")
AFTER = program.rows(0, "2")
GONE = BEFORE.select(QUOTES.key).head(3)
WANTED = pl.concat([BEFORE.head(3).clear(), AFTER.join(GONE, on=QUOTES.key, how="anti")])

# What the client sends when the phase begins. Names of tables as in `examples`.
PHASES = {
    "opening a transaction": b"BEGIN",
    "waiting for the lock": b"pg_advisory_xact_lock",
    "looking at the table": b"pg_attribute",
    "making a staging table": b"CREATE TEMPORARY TABLE",
    "deleting": b"DELETE FROM quotes",
    "comparing": b"AS matched",
    "merging": b"ON CONFLICT",
    "dropping the staging table": b"DROP TABLE etl_staging_quotes",
    "writing the ledger": b"INSERT INTO etl_loads",
    "committing": b"COMMIT\0",
}
STAGING = {"postgresql": b"COPY ", "odbc+postgresql": b"FROM unnest("}


@pytest.fixture(params=["postgresql", "odbc+postgresql"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    """The URL of a warehouse that has the first snapshot."""
    database = postgres.database()
    url = postgres.url(database)
    with open_warehouse(url) as warehouse:
        warehouse.load(QUOTES, [Part("p", "s1", BEFORE, BEFORE.select(QUOTES.key).clear())], run="r1")
    yield url
    postgres.drop(database)


@contextmanager
def _through(proxy: CuttingProxy, url: str, scheme: str) -> Iterator[Warehouse]:
    address = sa.make_url(url).set(port=proxy.port, drivername=scheme)
    with open_warehouse(address.render_as_string(hide_password=False)) as warehouse:
        yield warehouse


def _load(warehouse: Warehouse) -> LoadResult:
    rows = AFTER.join(GONE, on=QUOTES.key, how="anti")
    return warehouse.load(QUOTES, [Part("p", "s2", rows, GONE, "s1")], run="r2")


def _is_as_before(url: str) -> None:
    with open_warehouse(url) as warehouse:
        with writing(warehouse._connection):
            pass  # by then the server has noticed
        assert warehouse.loaded(QUOTES) == {"p": "s1"}
        assert_frame_equal(table(warehouse), BEFORE)


@pytest.mark.parametrize("phase", PHASES)
def test_a_connection_that_breaks_changes_nothing(postgres: Postgres, url: str, scheme: str, phase: str) -> None:
    with cutting_proxy(postgres.port) as proxy, _through(proxy, url, scheme) as warehouse:
        proxy.cut_at(PHASES[phase])
        with pytest.raises(TransientError, match=r"connection to .* was lost .*run the load again"):
            _load(warehouse)
        assert proxy.cuts == 1

    _is_as_before(url)
    with open_warehouse(url) as warehouse:
        assert _load(warehouse).parts_loaded == 1
        assert_frame_equal(table(warehouse), WANTED)


@pytest.mark.parametrize("bytes_more", [0, 200_000])
def test_a_connection_that_breaks_among_the_rows_changes_nothing(
    postgres: Postgres, url: str, scheme: str, bytes_more: int
) -> None:
    with cutting_proxy(postgres.port) as proxy, _through(proxy, url, scheme) as warehouse:
        # The keys to delete are staged first, with a few bytes.
        proxy.cut_at(STAGING[scheme], bytes_more=bytes_more)
        with pytest.raises(TransientError, match="was lost"):
            _load(warehouse)
        assert proxy.cuts == 1

    _is_as_before(url)


def test_when_only_the_answer_to_the_commit_is_lost_the_ledger_knows(postgres: Postgres, url: str, scheme: str) -> None:
    with cutting_proxy(postgres.port) as proxy, _through(proxy, url, scheme) as warehouse:
        proxy.cut_at(b"COMMIT\0", answered=True)
        with pytest.raises(TransientError, match=r"was lost .*the ledger shows what was"):
            _load(warehouse)
        assert proxy.cuts == 1

    with open_warehouse(url) as warehouse:
        assert warehouse.loaded(QUOTES) == {"p": "s2"}
        assert _load(warehouse) == LoadResult(parts_skipped=1)
        assert_frame_equal(table(warehouse), WANTED)


def test_a_first_load_that_breaks_leaves_no_table(postgres: Postgres, scheme: str) -> None:
    database = postgres.database()
    url = postgres.url(database)
    with cutting_proxy(postgres.port) as proxy, _through(proxy, url, scheme) as warehouse:
        proxy.cut_at(b"ADD PRIMARY KEY")
        with pytest.raises(TransientError, match="was lost"):
            warehouse.load(QUOTES, [Part("p", "s1", quotes(("A", 1, 1.0, 1)), GONE.clear())], run="r1")

    with open_warehouse(url) as warehouse:
        assert query(warehouse, "SELECT count(*) FROM pg_class WHERE relname LIKE 'quotes%'").item() == 0
    postgres.drop(database)


def test_a_connection_that_breaks_while_it_is_opened_is_a_clear_error(
    postgres: Postgres, url: str, scheme: str
) -> None:
    with cutting_proxy(postgres.port) as proxy:
        proxy.cut_at(b"user\0")
        with pytest.raises(TransientError, match=r"PostgreSQL database .* (could not be reached|was lost)"):
            _through(proxy, url, scheme).__enter__()


def test_a_stream_that_breaks_is_a_clear_error(postgres: Postgres, url: str, scheme: str) -> None:
    with cutting_proxy(postgres.port) as proxy, _through(proxy, url, scheme) as warehouse:
        batches = stream(warehouse._connection, "SELECT * FROM quotes", {}, 1000)
        assert next(batches).height == 1000
        proxy.cut_at(b"FETCH")
        with pytest.raises(TransientError, match="was lost"):
            list(batches)
