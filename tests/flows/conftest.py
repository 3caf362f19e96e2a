"""The main job in a folder of its own, against a sample market that the test can change."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.market_prices import Report, market_prices
from tasks.extract.sample_market import Faults, Market, Served, SimulatedMarket, serve
from tasks.window import Window

AS_OF = date(2024, 6, 28)
YEAR = Window(first=date(2023, 6, 1), last=date(2024, 6, 27))

TABLES = {
    "prices": "code, date",
    "price_measures": "code, week",
    "data_quality": "window_first, window_last, dataset, check",
}


class House:
    """A lake, a warehouse and a page in one folder, and the settings that name them."""

    def __init__(self, folder: Path, source: str) -> None:
        folder.mkdir(exist_ok=True)
        self.lake = folder / "lake"
        self.warehouse = folder / "warehouse.sqlite"
        self.page = folder / "dashboard.html"
        self.environment = {
            "ETL_SOURCE_URL": source,
            "ETL_SOURCE_REQUESTS_PER_MINUTE": "0",
            "ETL_SOURCE_RETRY_WAIT_SECONDS": "0.01",
            "ETL_LAKE_URL": str(self.lake),
            "ETL_WAREHOUSE_URL": f"sqlite:///{self.warehouse}",
            "ETL_DASHBOARD_PATH": "",
        }

    def run(self, codes: list[str] | None = None, window: Window | None = YEAR, **parameters: Any) -> Report:
        report: Report = asyncio.run(market_prices(codes, window, **{"lag_days": 0, **parameters}))
        return report

    def table(self, name: str) -> pl.DataFrame:
        """All rows, in the order of the key."""
        with closing(sqlite3.connect(self.warehouse)) as connection:
            order = f" ORDER BY {quoted(TABLES[name])}" if name in TABLES else ""
            cursor = connection.execute(f"SELECT * FROM {name}{order}")
            names = [column[0] for column in cursor.description]
            return pl.DataFrame(cursor.fetchall(), schema=names, orient="row", infer_schema_length=None)

    def count(self, name: str) -> int:
        with closing(sqlite3.connect(self.warehouse)) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0])

    def tables(self) -> dict[str, pl.DataFrame]:
        return {name: self.table(name) for name in TABLES}

    def snapshots(self, state: str) -> list[str]:
        return sorted(str(p.relative_to(self.lake)) for p in (self.lake / state).rglob("*.parquet"))


def quoted(names: str) -> str:
    return ", ".join(f'"{name.strip()}"' for name in names.split(","))


@pytest.fixture
def served() -> Iterator[Served]:
    """Sixty codes. Faults ask to wait for no time at all, so that tests do not."""
    with serve(
        SimulatedMarket(size=60, as_of=AS_OF), faults=Faults(retry_after_seconds=0, slow_seconds=0.05)
    ) as market:
        yield market


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_api: str) -> Callable[[str, str], House]:
    def make(name: str, source: str) -> House:
        house = House(tmp_path / name, source)
        for variable, value in house.environment.items():
            monkeypatch.setenv(variable, value)
        return house

    return make


@pytest.fixture
def house(build: Callable[[str, str], House], served: Served) -> House:
    """Its settings are in force."""
    return build("house", served.url)


def market_frame(market: Market, exchange: str, window: Window) -> pl.DataFrame:
    """What the warehouse must have of a market: `code, date` and values, in the order of the key."""
    frames = [
        bars.select(pl.lit(code).alias("code"), pl.all())
        for code in (f"{name}.{exchange}" for name in market.codes(exchange))
        if (bars := market.bars(code, window.first, window.last)) is not None and bars.height
    ]
    return pl.concat(frames).sort("code", "date")
