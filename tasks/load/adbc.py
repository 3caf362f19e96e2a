"""SQL stores through ADBC drivers: rows go in and out as Arrow, without a Python object per value."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import adbc_driver_sqlite.dbapi
import polars as pl
import sqlalchemy as sa
from adbc_driver_manager import dbapi
from polars import CompatLevel

from tasks.load.dialects.dialect import Dialect
from tasks.load.dialects.sqlite import Sqlite
from tasks.load.statements import compiled


def open_sqlite(url: sa.URL, lock_timeout: float) -> "AdbcConnection":
    dialect = Sqlite.at(url, lock_timeout)
    # With the driver's autocommit off it would begin a transaction of its own that takes no lock.
    with _explained(dialect):
        driver = adbc_driver_sqlite.dbapi.connect(str(dialect.path), autocommit=True)
    # The driver takes a column's type from the first batch: if there are only NULLs in it, a later number fails.
    batch = {adbc_driver_sqlite.StatementOptions.BATCH_ROWS.value: 1_000_000}
    connection = AdbcConnection(driver, dialect, batch)
    try:
        for statement in dialect.on_open():
            connection.fetch(statement)
    except BaseException:
        connection.close()
        raise
    return connection


class AdbcConnection:
    def __init__(self, driver: dbapi.Connection, dialect: Dialect, options: Mapping[str, Any]) -> None:
        self._driver = driver
        self._options = options  # of every statement
        self.dialect = dialect

    def begin(self) -> None:
        self._update(self.dialect.begin)

    def commit(self) -> None:
        self._update("COMMIT")

    def rollback(self) -> None:
        # A full disk may have ended the transaction already, and then there is nothing to undo.
        with self._cursor() as cursor:
            try:
                cursor.executemany("ROLLBACK", None)
            except dbapi.Error as error:
                if not self.dialect.nothing_to_undo(error):
                    raise

    def execute(self, statement: sa.ClauseElement) -> int:
        return self._update(*compiled(statement, self.dialect))

    def fetch(self, statement: sa.ClauseElement) -> pl.DataFrame:
        sql, values = compiled(statement, self.dialect)
        with self._cursor() as cursor:
            cursor.execute(sql, self._bound(values))
            return pl.DataFrame(cursor.fetch_record_batch())

    def ingest(self, table: sa.Table, rows: pl.DataFrame) -> int:
        temporary = bool(table.info.get("temporary"))
        arrow = _arrow(self.dialect.stored(rows))
        with self._cursor() as cursor:
            return cursor.adbc_ingest(table.name, arrow, mode="append", temporary=temporary)

    def close(self) -> None:
        self._driver.close()

    def _update(self, sql: str, values: dict[str, object] | None = None) -> int:
        # Only executemany tells how many rows were affected.
        with self._cursor() as cursor:
            cursor.executemany(sql, self._bound(values or {}))
            return cursor.rowcount

    def _bound(self, values: dict[str, object]) -> Any:  # noqa: ANN401 - a pyarrow.Table, which has no type stubs
        """One row of parameters, each as the store keeps such a value."""
        return _arrow(self.dialect.stored(pl.DataFrame({n: [v] for n, v in values.items()}))) if values else None

    @contextmanager
    def _cursor(self) -> Iterator[dbapi.Cursor]:
        with _explained(self.dialect), self._driver.cursor(adbc_stmt_kwargs=self._options) as cursor:
            yield cursor


@contextmanager
def _explained(dialect: Dialect) -> Iterator[None]:
    try:
        yield
    except (dbapi.Error, OSError) as error:  # an OSError is what comes out of a stream of results
        if isinstance(error.__cause__, KeyboardInterrupt):  # that the driver cannot cancel a call is not the news
            raise error.__cause__ from None
        raise dialect.explained(error) from error


def _arrow(rows: pl.DataFrame) -> Any:  # noqa: ANN401 - as above
    # Drivers take twice as long over the newer string-view type.
    return rows.to_arrow(compat_level=CompatLevel.oldest())
