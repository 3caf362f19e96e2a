"""The ways to send many rows through ODBC. Which is best, or works at all, depends on the driver."""

from collections.abc import Mapping

import polars as pl
import pyodbc
import sqlalchemy as sa

from tasks.database.dialects.dialect import Dialect
from tasks.database.dialects.postgresql import arrays as postgresql_arrays
from tasks.database.dialects.statements import compiled
from tasks.database.odbc.connection import Bulk
from tasks.database.odbc.values import sent, sent_as_text, slices


def fast(cursor: pyodbc.Cursor, table: sa.Table, rows: pl.DataFrame, dialect: Dialect) -> None:
    """Arrays of parameters: a round trip for thousands of rows, if the driver knows how."""
    statement = insert(table, rows, dialect)
    for sizes, values in slices(sent(rows)):
        # What is sent in pieces would be so row by row, and an array of such has been seen to end the process.
        cursor.fast_executemany = all(length for _, length, _ in sizes)
        # Without them the driver asks the server, or takes the first row for a sample.
        cursor.setinputsizes(sizes)
        cursor.executemany(statement, values)


def plain(cursor: pyodbc.Cursor, table: sa.Table, rows: pl.DataFrame, dialect: Dialect) -> None:
    """A statement per row. Works with every driver."""
    statement = insert(table, rows, dialect)
    for sizes, values in slices(sent(rows)):
        cursor.setinputsizes(sizes)  # or a NULL is one of text, which not every column takes
        cursor.executemany(statement, values)


def arrays(cursor: pyodbc.Cursor, table: sa.Table, rows: pl.DataFrame, dialect: Dialect) -> None:
    """A parameter per column, with PostgreSQL's text of an array: its driver sends arrays of parameters row by row."""
    statement, _ = compiled(postgresql_arrays.insert(table), dialect)
    for literals in postgresql_arrays.literals(rows):
        cursor.execute(statement, literals)


BULK: Mapping[str, Bulk] = {"fast": fast, "plain": plain, "arrays": arrays}


def insert(table: sa.Table, rows: pl.DataFrame, dialect: Dialect) -> str:
    values: dict[str, sa.ColumnElement[object]] = {}
    for place, (name, dtype) in enumerate(rows.schema.items()):
        value: sa.BindParameter[object] = sa.bindparam(f"p{place}")
        cast = sent_as_text(dtype) and not dialect.reads_times
        values[name] = sa.cast(value, table.c[name].type) if cast else value
    return compiled(sa.insert(table).values(values), dialect)[0]
