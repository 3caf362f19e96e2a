"""SQL stores through ODBC drivers."""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import polars as pl
import pyodbc
import sqlalchemy as sa

from tasks.database.dialects.dialect import Dialect
from tasks.database.dialects.failure import Failure
from tasks.database.dialects.statements import compiled
from tasks.database.odbc import values as odbc_values

# Sends stored rows into a table by a cursor.
Bulk = Callable[[pyodbc.Cursor, sa.Table, pl.DataFrame, Dialect], None]

# What stands around the server's words: [23000] [Microsoft][...]Violation of ... (2627) (SQLExecDirectW)
_WRAPPED = re.compile(r"^(?:\[[^\]]*\]\s*)*(?P<text>.*?)\s*(?:\((?P<number>-?\d+)\)\s*)?(?:\(SQL\w+\).*)?$", re.DOTALL)


class OdbcConnection:
    """Takes over a driver's connection, which must commit by itself, and closes it if it is of no use."""

    def __init__(self, driver: pyodbc.Connection, dialect: Dialect, bulk: Bulk) -> None:
        self._driver = driver
        self._bulk = bulk
        self.dialect = dialect
        try:
            for statement in dialect.on_open:
                self.execute(statement)
        except BaseException:
            self.close()
            raise

    def execute(self, statement: sa.ClauseElement) -> int:
        with self._executed(statement) as cursor:
            affected: int = cursor.rowcount
            # What fails after the first of several results is told only when the next one is asked for.
            while cursor.nextset():
                pass
            return affected

    def fetch(self, statement: sa.ClauseElement) -> pl.DataFrame:
        with self._executed(statement) as cursor:
            return odbc_values.frame(cursor.fetchall(), cursor.description)

    def batches(self, statement: sa.ClauseElement, rows: int) -> Generator[pl.DataFrame]:
        with self._executed(statement) as cursor:
            found = cursor.fetchmany(rows)
            yield odbc_values.frame(found, cursor.description)
            while found := cursor.fetchmany(rows):
                yield odbc_values.frame(found, cursor.description)

    def ingest(self, table: sa.Table, rows: pl.DataFrame) -> int:
        with self._cursor() as cursor:
            self._bulk(cursor, table, self.dialect.stored(rows), self.dialect)
        return rows.height  # of many rows at a time the drivers do not say how many they wrote

    def close(self) -> None:
        self._driver.close()

    @contextmanager
    def _executed(self, statement: sa.ClauseElement) -> Iterator[pyodbc.Cursor]:
        sql, values = compiled(statement, self.dialect)
        parameters = odbc_values.sent(self.dialect.stored(pl.DataFrame({n: [v] for n, v in values.items()})))
        with self._cursor() as cursor:
            cursor.execute(sql, *(parameters.row(0) if values else ()))
            yield cursor

    @contextmanager
    def _cursor(self) -> Iterator[pyodbc.Cursor]:
        with explained(self.dialect):
            cursor = self._driver.cursor()
            try:
                yield cursor
            finally:
                cursor.close()


@contextmanager
def explained(dialect: Dialect) -> Iterator[None]:
    """Turns a driver's error into one of ours."""
    try:
        yield
    except pyodbc.Error as error:
        raise dialect.explained(failure(error)) from error


def failure(error: pyodbc.Error) -> Failure:
    state, message = (*map(str, error.args), "", "")[:2]
    found = _WRAPPED.match(message.partition("\n")[0])
    if found is None:
        return Failure(message, state)
    return Failure(found["text"].rstrip("; "), state, int(found["number"] or 0))
