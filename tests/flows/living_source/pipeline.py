"""The main job's own steps in its order, without Prefect and without a network, so that many runs take minutes."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from tasks.coverage.stored import spans, stored_codes
from tasks.datasets import FETCHES, PRICE_MEASURES, PRICES, RAW_PRICES
from tasks.extract.http import Answer
from tasks.extract.prices.eodhd import Fetched, Outcome, read_bars
from tasks.extract.prices.plan import Shard, extract, plan
from tasks.extract.sample_market.service.encoding import bars_body
from tasks.lake import Lake, open_lake
from tasks.load.changes import changes
from tasks.load.warehouse import open_warehouse
from tasks.sessions.closing_times import AsOf
from tasks.transform.curate import Figures, curate
from tasks.transform.restatements.restatement import restated
from tasks.transform.restatements.witnesses import unwitnessed
from tasks.transform.update_measures import update_measures
from tasks.window import Window
from tests.flows.living_source.exchange import EXCHANGE, Exchange

DELAY = timedelta(hours=3)


class Pipeline:
    """A lake and a warehouse in a folder, and the exchange that they are of. It notes what it asks for."""

    def __init__(self, folder: Path, exchange: Exchange) -> None:
        self.exchange = exchange
        self.lake: Lake = open_lake(str(folder / "lake"))
        self.warehouse = folder / "warehouse.sqlite"
        self.asked: list[tuple[str, Window]] = []  # of the last run, what was answered
        self.broken: set[str] = set()  # codes whose requests fail
        self._runs = 0

    async def bars(self, code: str, window: Window) -> Fetched:
        if code in self.broken:
            return Fetched(Outcome.FAILED, reason="503")
        bars = self.exchange.bars(code, window.first, window.last)
        if bars is None:
            return read_bars(Answer(404, {}, b"Ticker Not Found."))
        self.asked.append((code, window))
        return read_bars(Answer(200, {}, bars_body(bars, "json")))

    async def codes(self, exchange: str, day: date) -> list[str]:
        return [f"{name}.{exchange}" for name in self._traded(day)]

    def run(self, codes: Sequence[str] | None, window: Window, *, refetch: bool = False) -> Figures:
        self._runs += 1
        self.asked = []
        run = f"run {self._runs}"
        if codes is None:
            listed = asyncio.run(self.codes(EXCHANGE, window.last))
            codes = sorted({*listed, *stored_codes(self.lake, EXCHANGE, window)})
        folder = f"window={window}/"
        asyncio.run(self._extract(sorted(codes), window, run, refetch=refetch))
        figures = curate(
            self.lake, window, self.lake.partitions(RAW_PRICES, folder), self.lake.partitions(FETCHES, folder), run
        )
        update_measures(self.lake, run)
        with open_warehouse(f"sqlite:///{self.warehouse}") as warehouse:
            for dataset in (PRICES, PRICE_MEASURES):
                warehouse.load(dataset, changes(self.lake, dataset, warehouse.loaded(dataset)), run=run)
        return figures

    def _traded(self, day: date) -> list[str]:
        """The names of the last session, as the source lists them."""
        before = (self.exchange.codes(EXCHANGE, day - timedelta(days=back)) for back in range(10))
        return next((names for names in before if names), [])

    async def _extract(self, codes: Sequence[str], window: Window, run: str, *, refetch: bool) -> None:
        """As `extract_window` of the flow does."""
        await self._fetch(plan(spans(self.lake, codes, window), window, "window"), run, refetch=refetch)
        await self._fetch(plan(unwitnessed(self.lake, window), window, "witness"), run, refetch=refetch)
        await self._fetch(plan(restated(self.lake, window), window, "history"), run, refetch=refetch)

    async def _fetch(self, shards: Sequence[Shard], run: str, *, refetch: bool) -> None:
        for shard in shards:
            now = datetime.now(UTC)
            as_of = AsOf(now, DELAY, now if refetch else None)
            await extract(self.lake, self, shard, run, 8, as_of, progress=lambda codes, rows: None)

    def lake_rows(self, dataset=PRICES) -> pl.DataFrame:
        columns = list(dataset.table_columns)
        return self.lake.read(dataset, self.lake.partitions(dataset)).select(columns).sort(dataset.key).collect()

    def table_rows(self, dataset=PRICES) -> pl.DataFrame:
        columns = list(dataset.table_columns)
        with closing(sqlite3.connect(self.warehouse)) as connection:
            rows = connection.execute(f"SELECT {', '.join(columns)} FROM {dataset.table}").fetchall()
        schema = {n: pl.String if dataset.polars_schema[n] == pl.Date else dataset.polars_schema[n] for n in columns}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        dates = [n for n in columns if dataset.polars_schema[n] == pl.Date]
        return frame.with_columns(pl.col(dates).str.to_date()).sort(dataset.key)
