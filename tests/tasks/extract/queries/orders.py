"""A table of orders in a database, a query of it as a source, and what a pipeline makes of that: for tests."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import dataframely as dy
import psycopg
from pydantic import SecretStr

from tasks.database import Stream, open_stream
from tasks.datasets import Dataset
from tasks.extract.queries.query import Query, QueryExtracted, extract
from tasks.lake import Change, Lake, SnapshotRef


class RawOrders(dy.Schema):
    """As the source has them, once for each time they were changed."""

    id = dy.Int64()
    changed_at = dy.Datetime(time_unit="us", time_zone="UTC")
    customer = dy.String(nullable=True)
    amount = dy.Decimal(12, 2, nullable=True)
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC")


class Orders(RawOrders):
    """One row per order: as it was changed last."""

    id = dy.Int64(primary_key=True)


RAW_ORDERS = Dataset("orders", "raw", RawOrders, sort=("changed_at",))
ORDERS = Dataset("orders", "curated", Orders, sort=("id",))

START = datetime(2024, 1, 1, tzinfo=UTC)
QUERY = Query(
    sql="SELECT id, changed_at, customer, amount FROM orders",
    cursor="changed_at",
    start=START,
)

Order = tuple[int, float, str | None, str | None]  # id, hours after START, customer, amount


class Shop:
    """A database with the table, which the test changes behind the pipeline's back."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._is_sqlite = url.startswith("sqlite")
        types = "TEXT, TEXT, TEXT" if self._is_sqlite else "timestamptz, text, numeric(12, 2)"
        changed_at, customer, amount = types.split(", ", 2)
        columns = f"changed_at {changed_at}, customer {customer}, amount {amount}"
        self.execute(f"CREATE TABLE orders (id bigint PRIMARY KEY, {columns})")

    def execute(self, statement: str, rows: Sequence[tuple[object, ...]] = ((),)) -> None:
        if self._is_sqlite:
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection, connection:
                connection.executemany(statement, rows)
        else:
            with psycopg.connect(self.url) as server, server.cursor() as cursor:
                cursor.executemany(statement.replace("?", "%s"), rows)

    def put(self, *orders: Order) -> None:
        """New ones, or others in their place."""
        rows = [(id_, self.stored(START + timedelta(hours=hours)), *rest) for id_, hours, *rest in orders]
        self.execute("DELETE FROM orders WHERE id = ?", [(row[0],) for row in rows])
        self.execute("INSERT INTO orders VALUES (?, ?, ?, ?)", rows)

    def stored(self, moment: datetime) -> object:
        """A time as the database keeps it: SQLite as text, like the warehouse does."""
        return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}" if self._is_sqlite else moment

    @contextmanager
    def stream(self, rows_per_frame: int = 50_000) -> Iterator[Stream]:
        with open_stream(SecretStr(self.url), rows_per_frame) as stream:
            yield stream

    def extracted(
        self, lake: Lake, query: Query = QUERY, rows_per_frame: int = 50_000, into: Dataset = RAW_ORDERS
    ) -> QueryExtracted:
        with self.stream(rows_per_frame) as stream:
            return extract(lake, stream, into, query, run="run", fetched_at=datetime.now(UTC))


def received(lake: Lake) -> list[Order]:
    """What the raw dataset has, in order."""
    rows = lake.read(RAW_ORDERS, lake.partitions(RAW_ORDERS)).collect()
    return [(i, (at - START) / timedelta(hours=1), c, _text(a)) for i, at, c, a, _ in rows.iter_rows()]


def rejected(lake: Lake) -> list[tuple[str, ...]]:
    """What quarantine has of it: id, customer and reasons."""
    rows = lake.read(RAW_ORDERS.quarantine, lake.partitions(RAW_ORDERS.quarantine)).collect()
    return rows.select("id", "customer", "reasons").rows()


def curate(lake: Lake) -> None:
    """Merges all raw orders by their key; the one changed last wins, and of those the one fetched last."""

    def change(_: SnapshotRef | None) -> Change:
        rows = lake.read(RAW_ORDERS, lake.partitions(RAW_ORDERS)).sort("changed_at", "fetched_at")
        last = rows.unique("id", keep="last").sort("id").select(ORDERS.polars_schema.names())
        return Change([last.collect()], inputs=())

    lake.update(ORDERS, "all", change, "run")


def curated(lake: Lake) -> list[Order]:
    rows = lake.read(ORDERS, lake.partitions(ORDERS)).select(RAW_ORDERS.polars_schema.names()).sort("id").collect()
    return [(i, (at - START) / timedelta(hours=1), c, _text(a)) for i, at, c, a, _ in rows.iter_rows()]


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)
