"""The SQL source that flows/README.md shows, against a database whose rows change."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tasks.errors import ConfigurationError, EtlError
from tasks.transform.quarantine import Figures
from tests.flows.conftest import House
from tests.flows.own.own_query import orders

# Prefect leaves the sockets of its event stream to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, changed_at TEXT, customer TEXT, amount REAL)")
    return path


@pytest.fixture
def house(build: Callable[[str, str], House], shop: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    house = build("query", "")
    monkeypatch.setenv("ETL_SOURCE_DATABASE_URL", f"sqlite:///{shop}")
    return house


def put(shop: Path, *rows: tuple[int, str, str | None, float]) -> None:
    with closing(sqlite3.connect(shop)) as database, database:
        database.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)", rows)


def run() -> Figures:
    return asyncio.run(orders())


def test_it_has_less_than_sixty_lines() -> None:
    own = Path(__file__).with_name("own_query.py").read_text(encoding="utf-8")
    assert len(own.splitlines()) < 60


def test_what_changed_comes_once_and_the_last_change_stands(house: House, shop: Path) -> None:
    put(shop, (1, "2024-05-01T10:00:00.000000Z", "Ann", 10.0), (2, "2024-05-01T11:00:00.000000Z", None, 5.0))
    assert run() == Figures(received=2, quarantined=1, added=1)
    late = (3, "2024-05-01T10:30:00.000000Z", "late, within the lag", 7.0)
    put(shop, (1, "2024-05-01 18:00:00", "Ann", 12.5), late)
    assert run() == Figures(received=4, quarantined=1, duplicates=1, added=1, revised=1)
    assert run() == Figures(received=4, quarantined=1, duplicates=1, unchanged=2)

    found = house.table("orders").sort("id")
    assert found.select("id", "customer", "amount").rows() == [(1, "Ann", 12.5), (3, "late, within the lag", 7.0)]


def test_another_database_for_the_same_lake_is_refused(
    house: House, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its cursor would begin says what was read of the first one."""
    put(shop, (1, "2024-05-01T10:00:00.000000Z", "Ann", 10.0))
    run()
    moved = shop.rename(shop.with_name("moved.sqlite"))
    monkeypatch.setenv("ETL_SOURCE_DATABASE_URL", f"sqlite:///{moved}")
    with pytest.raises(ConfigurationError, match=r"orders is from .*shop\.sqlite, and .* is .*moved\.sqlite"):
        run()
    monkeypatch.setenv("ETL_SOURCE_DATABASE_NAME", f"{shop}")
    assert run().unchanged == 1


def test_what_is_wrong_with_the_url_names_its_own_setting(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("sqlite://", "oracle://host/shop", "postgresql://127.0.0.1:1/shop"):
        monkeypatch.setenv("ETL_SOURCE_DATABASE_URL", url)
        with pytest.raises(EtlError, match=r"ETL_SOURCE_DATABASE_URL|could not be reached") as told:
            run()
        assert "ETL_WAREHOUSE_URL" not in str(told.value)
