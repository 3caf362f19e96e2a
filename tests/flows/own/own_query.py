"""Orders of a shop's database, those that changed since the last run: a SQL query as a source, into a SQL table."""

from datetime import UTC, datetime, timedelta

import dataframely as dy
from prefect import flow, task
from prefect.runtime import flow_run

from tasks.datasets import Dataset
from tasks.extract import Query, extract_query
from tasks.lake import configured_lake
from tasks.load import load_dataset
from tasks.transform import Figures, curate_rows


class RawOrders(dy.Schema):
    """As the shop has them, once for each time they were changed."""

    id = dy.Int64()
    changed_at = dy.Datetime(time_unit="us", time_zone="UTC")
    customer = dy.String(nullable=True)
    amount = dy.Float64(nullable=True)


class Orders(dy.Schema):
    id = dy.Int64(primary_key=True)
    changed_at = dy.Datetime(time_unit="us", time_zone="UTC")
    customer = dy.String(max_length=80)
    amount = dy.Float64(min=0)


RAW_ORDERS = Dataset("orders", "raw", RawOrders, sort=("changed_at",))
ORDERS = Dataset("orders", "curated", Orders, sort=("id",), table="orders")
CHANGED = Query(
    sql="SELECT id, changed_at, customer, amount FROM orders",
    key=("id",),
    cursor="changed_at",
    start=datetime(2024, 1, 1, tzinfo=UTC),
    lag=timedelta(hours=1),
)


@flow(name="orders")
async def orders() -> Figures:
    """Keeps what changed as it came, makes of all that came one row per order, and loads what is new of these."""
    await extract_query(RAW_ORDERS, CHANGED)
    figures = curate_orders()
    await load_dataset(ORDERS)
    return figures


@task
def curate_orders() -> Figures:
    lake = configured_lake()
    rows = lake.read(RAW_ORDERS, lake.partitions(RAW_ORDERS)).collect()
    return curate_rows(lake, ORDERS, rows, "all", str(flow_run.id), newest="changed_at")
