"""A small dataset, and parts of it."""

from collections.abc import Mapping, Sequence
from datetime import date

import dataframely as dy
import polars as pl
import sqlalchemy as sa

from tasks.database.dialects.statements import text
from tasks.datasets import Dataset
from tasks.load.request import Part
from tasks.load.warehouse import Warehouse


class Quotes(dy.Schema):
    code = dy.String(primary_key=True, max_length=40)
    day = dy.Date(primary_key=True)
    close = dy.Float64()
    volume = dy.Int64(nullable=True)


class QuotesWithNote(Quotes):
    note = dy.String(nullable=True)


class Events(dy.Schema):
    """Without a key: what happened, as often as it happened."""

    day = dy.Date()
    what = dy.String()


def dataset(schema: type[dy.Schema], table: str = "quotes") -> Dataset:
    return Dataset(table, "published", schema, sort=("day",), period="day", table=table)


QUOTES = dataset(Quotes)
EVENTS = dataset(Events, "events")

Row = tuple[str, int, float, int | None]  # code, day of January 2024, close, volume


def quotes(*rows: Row) -> pl.DataFrame:
    days = [(code, date(2024, 1, day), close, volume) for code, day, close, volume in rows]
    return pl.DataFrame(days, schema=QUOTES.polars_schema, orient="row")


def keys(*rows: tuple[str, int]) -> pl.DataFrame:
    return quotes(*((code, day, 0.0, None) for code, day in rows)).select(QUOTES.key)


def part(
    snapshot: str,
    rows: pl.DataFrame | pl.LazyFrame,
    deleted: Sequence[tuple[str, int]] = (),
    *,
    partition: str = "p",
    base: str | None = None,
) -> Part:
    return Part(partition, snapshot, rows, keys(*deleted), base)


def query(
    warehouse: Warehouse,
    sql: str,
    params: Mapping[str, object] | None = None,
    types: Mapping[str, pl.DataType] | None = None,
) -> pl.DataFrame:
    """The answer, outside any transaction of its own; columns named in `types` come in these types."""
    connection = warehouse._connection
    statement = text(sql, params, connection.dialect) if params else sa.text(sql)  # a pragma is no query of a user
    return connection.dialect.restored(connection.fetch(statement), types or {})


def table(warehouse: Warehouse, of: Dataset = QUOTES) -> pl.DataFrame:
    """All rows of the dataset's table, in the order and the types of the contract."""
    columns = ", ".join(of.table_columns)
    rows = query(warehouse, f"SELECT {columns} FROM {of.table}", types=of.polars_schema)
    return rows.sort(of.key or list(of.table_columns))
