"""The main job on each engine, and an operator who puts lakes back and takes files away."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import text

from flows.market_prices import market_prices
from flows.reconcile import Report, reconcile
from tasks.datasets import PRICES, Dataset
from tasks.extract.sample_market import Served
from tasks.lake import Lake, open_lake
from tasks.load.warehouse import open_warehouse
from tasks.window import Window
from tests.flows.conftest import House
from tests.servers.postgres import Postgres, postgres
from tests.tasks.warehouses.examples import table

__all__ = ["postgres"]

CODES = ["AAPL.US", "MSFT.US"]
WINTER = Window(first=date(2023, 11, 1), last=date(2024, 2, 29))
SPRING = Window(first=date(2024, 3, 1), last=date(2024, 5, 31))
JUNE = Window(first=date(2024, 6, 3), last=date(2024, 6, 14))


class Stores:
    """A lake in a folder, and the warehouse at a URL."""

    def __init__(self, house: House, url: str) -> None:
        self.folder, self.url = house.lake, url

    @property
    def lake(self) -> Lake:
        return open_lake(str(self.folder))

    def run(self, window: Window, **parameters: Any) -> None:
        asyncio.run(market_prices(CODES, window, **{"lag_days": 0, "shards": 1, **parameters}))

    def reconcile(self, **parameters: Any) -> str:
        """What was found."""
        report: Report = asyncio.run(reconcile(**parameters))
        return report.summary

    def rows(self, dataset: Dataset = PRICES) -> pl.DataFrame:
        """What the warehouse has."""
        with open_warehouse(self.url) as warehouse:
            return table(warehouse, dataset)

    def lake_rows(self, dataset: Dataset = PRICES) -> pl.DataFrame:
        columns = list(dataset.table_columns)
        rows = self.lake.read(dataset, self.lake.partitions(dataset)).select(columns).collect()
        return rows.sort(dataset.key)

    def execute(self, sql: str) -> int:
        """By hand."""
        with open_warehouse(self.url) as warehouse:
            return warehouse._connection.execute(text(sql))

    def copy(self, name: str) -> Path:
        return Path(shutil.copytree(self.folder, self.folder.with_name(name)))

    def put_back(self, copy: Path) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(copy, self.folder)

    def fullest(self, dataset: Dataset, year: int = 2024) -> Path:
        """The folder of that partition of a year which has the most rows."""
        parts = [s for s in self.lake.partitions(dataset) if f"year={year}/" in s.partition]
        name = max(parts, key=lambda s: s.rows).partition
        return self.folder / dataset.state / dataset.name / name


@pytest.fixture
def local(house: House) -> Stores:
    """A warehouse in a file."""
    return Stores(house, house.environment["ETL_WAREHOUSE_URL"])


@pytest.fixture
def remove_file() -> Callable[[Stores, Dataset], str]:
    """Removes a file of a current snapshot, that with the most rows, and returns its path in the lake."""

    def remove(stores: Stores, dataset: Dataset) -> str:
        path = max(stores.lake.partitions(dataset), key=lambda s: (s.partition[:9], s.rows)).files[0]
        stores.lake.store.delete(path)
        return path

    return remove


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(
    request: pytest.FixtureRequest,
    build: Callable[[str, str], House],
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stores]:
    house = build("house", served.url)
    if request.param == "sqlite":
        yield Stores(house, house.environment["ETL_WAREHOUSE_URL"])
        return
    server: Postgres = request.getfixturevalue("postgres")
    database = server.database()
    monkeypatch.setenv("ETL_WAREHOUSE_URL", server.url(database))
    yield Stores(house, server.url(database))
    server.drop(database)
