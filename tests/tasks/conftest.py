"""Each warehouse that the conformance tests run against is one parameter here."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tasks.load.warehouse import Warehouse, open_warehouse
from tests.servers.postgres import Postgres, postgres

__all__ = ["postgres"]

SQLITE = ("sqlite", "odbc+sqlite")
POSTGRESQL = ("postgresql", "odbc+postgresql")


@pytest.fixture(params=[*SQLITE, *POSTGRESQL])
def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty warehouse."""
    if request.param in SQLITE:
        yield f"{request.param}:///{tmp_path}/warehouse.sqlite"
        return
    server: Postgres = request.getfixturevalue("postgres")
    database = server.database()
    yield server.url(database).replace("postgresql:", f"{request.param}:", 1)
    server.drop(database)


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    with open_warehouse(warehouse_url) as opened:
        yield opened


@pytest.fixture
def exact(warehouse: Warehouse, warehouse_url: str) -> Iterator[Warehouse]:
    """The warehouse as a driver shows it that changes nothing: SQLite's for ODBC gives a float in 15 digits."""
    if not warehouse_url.startswith("odbc+sqlite:"):
        yield warehouse
        return
    with open_warehouse(warehouse_url.removeprefix("odbc+")) as opened:
        yield opened


@pytest.fixture
def execute(warehouse: Warehouse) -> Callable[[str], int]:
    """Runs a statement, as somebody else who changes the warehouse would."""
    return lambda sql: warehouse._connection.execute(sa.text(sql))
