"""Exchange rates per day from a small REST API: a source of one file, from the request to the SQL table."""

import asyncio
from datetime import UTC, datetime
from functools import partial

import dataframely as dy
import polars as pl
from prefect import flow, task
from prefect.runtime import flow_run

from tasks.datasets import Dataset
from tasks.errors import ContractError
from tasks.extract.http import Answer, Http, HttpLimits
from tasks.lake import configured_lake
from tasks.load import load_dataset
from tasks.transform import Figures, curate_rows
from tasks.window import Window


class Rates(dy.Schema):
    """What one euro costs, one row per currency and day."""

    currency = dy.String(primary_key=True, min_length=3, max_length=3)
    date = dy.Date(primary_key=True)
    rate = dy.Float64(min_exclusive=0)
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC")


RATES = Dataset(
    "rates", "curated", Rates, ("date", "currency"), period="date", table="rates", only_in_lake=("fetched_at",)
)


@flow(name="exchange-rates")
async def exchange_rates(url: str, currencies: list[str], window: Window) -> Figures:
    """Fetches what the window has of each currency, keeps it in the lake, and loads what changed."""
    figures = await fetch_rates(url, currencies, window)
    await load_dataset(RATES)
    return figures


@task
async def fetch_rates(url: str, currencies: list[str], window: Window) -> Figures:
    days = {"first": str(window.first), "last": str(window.last)}
    async with Http(HttpLimits(connections=8, per_minute=600, timeout=30, attempts=6, retry_wait=0.5)) as http:
        requests = [http.get(f"{url}/rates/{name}", days, partial(read, name)) for name in currencies]
        rows = pl.concat(await asyncio.gather(*requests)).with_columns(fetched_at=pl.lit(datetime.now(UTC)))
    lake, run = configured_lake(), str(flow_run.id)
    return await asyncio.to_thread(curate_rows, lake, RATES, rows, f"window={window}", run)


def read(currency: str, answer: Answer) -> pl.DataFrame:
    """The rates of a body such as [{"date": "2024-01-31", "rate": 1.08}, ...]."""
    if answer.status != 200 or not answer.body.startswith(b"["):
        raise ContractError(f"{currency} was answered {answer.status}, with no rates. Check currency and URL.")
    rates = pl.read_json(answer.body, schema={"date": pl.String, "rate": pl.String})  # typed by the contract
    return rates.select(pl.lit(currency).alias("currency"), "date", "rate")
