"""SQL stores through ADBC drivers: rows go in and out as Arrow, without a Python object per value."""

import re
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa
import sqlalchemy as sa
from adbc_driver_manager import AdbcStatusCode, dbapi
from polars import CompatLevel

from tasks.database.adbc.answers import check_types, frame
from tasks.database.dialects.dialect import Dialect
from tasks.database.dialects.failure import Failure
from tasks.database.dialects.statements import compiled

_CHUNK = 10_000  # rows: the driver encodes the next ones while the server takes these
_QUERY = re.compile(
    r"^.*Failed to execute query '.*': ", re.DOTALL
)  # what libpq's driver puts before the server's words
_SERVER = re.compile(r"^.*?(?=\b(?:ERROR|FATAL|PANIC):)", re.DOTALL)
_TOLD = ("DETAIL:", "HINT:")  # the lines after the first that do not repeat the query or a row


@dataclass(frozen=True)
class DriverOptions:
    statement: Mapping[str, Any] = field(default_factory=dict)  # of every one
    batch_rows: str = ""  # the name of the option for how many rows of an answer come at a time


class AdbcConnection:
    """Takes over a driver's connection, which must commit by itself, and closes it if it is of no use."""

    def __init__(self, driver: dbapi.Connection, dialect: Dialect, options: DriverOptions) -> None:
        self._driver = driver
        self._options = options
        self.dialect = dialect
        try:
            for statement in dialect.on_open:
                self.execute(statement)
        except BaseException:
            self.close()
            raise

    def execute(self, statement: sa.ClauseElement) -> int:
        sql, values = compiled(statement, self.dialect)
        # Only executemany tells how many rows were affected.
        with self._cursor() as cursor:
            cursor.executemany(sql, self._bound(values))
            return cursor.rowcount

    def fetch(self, statement: sa.ClauseElement) -> pl.DataFrame:
        with self._cursor() as cursor:
            return frame(self._reader(cursor, statement).read_all())

    def batches(self, statement: sa.ClauseElement, rows: int) -> Generator[pl.DataFrame]:
        with self._cursor({self._options.batch_rows: rows} if self._options.batch_rows else {}) as cursor:
            reader = self._reader(cursor, statement)
            yield frame(reader.schema.empty_table())
            for batch in reader:
                yield frame(batch)

    def ingest(self, table: sa.Table, rows: pl.DataFrame) -> int:
        temporary = bool(table.info.get("temporary"))
        reader = _arrow(self.dialect.stored(rows)).to_reader(max_chunksize=_CHUNK)
        with self._cursor() as cursor:
            return cursor.adbc_ingest(table.name, reader, mode="append", temporary=temporary)

    def close(self) -> None:
        self._driver.close()

    def _reader(self, cursor: dbapi.Cursor, statement: sa.ClauseElement) -> pa.RecordBatchReader:
        sql, values = compiled(statement, self.dialect)
        cursor.execute(sql, self._bound(values))
        reader = cursor.fetch_record_batch()
        check_types(reader.schema)  # before a value is read: the driver fails at some of them
        return reader

    def _bound(self, values: dict[str, object]) -> pa.Table | None:
        """One row of parameters, each as the store keeps such a value."""
        return _arrow(self.dialect.stored(pl.DataFrame({n: [v] for n, v in values.items()}))) if values else None

    @contextmanager
    def _cursor(self, options: Mapping[str, Any] | None = None) -> Iterator[dbapi.Cursor]:
        settings = {**self._options.statement, **(options or {})}
        with explained(self.dialect), self._driver.cursor(adbc_stmt_kwargs=settings) as cursor:
            yield cursor


@contextmanager
def explained(dialect: Dialect) -> Iterator[None]:
    """Turns a driver's error into one of ours."""
    try:
        yield
    except (dbapi.Error, OSError) as error:  # an OSError is what comes out of a stream of results
        if _is_interrupt(error):
            raise KeyboardInterrupt from error
        raise dialect.explained(failure(error)) from error


def _is_interrupt(error: Exception) -> bool:
    if isinstance(error.__cause__, KeyboardInterrupt):  # of a driver that cannot cancel a call
        return True
    # One that can tells it as if somebody had cancelled the call at the server. Only the main thread is interrupted.
    cancelled = getattr(error, "status_code", None) == AdbcStatusCode.CANCELLED and "user request" in str(error)
    return cancelled and threading.current_thread() is threading.main_thread()


def failure(error: Exception) -> Failure:
    first, *others = _SERVER.sub("", _QUERY.sub("", str(error))).splitlines() or [type(error).__name__]
    text = " ".join([first, *(line for line in others if line.startswith(_TOLD))])
    return Failure(text, state=getattr(error, "sqlstate", None) or "")


def _arrow(rows: pl.DataFrame) -> pa.Table:
    # Drivers take twice as long over the newer string-view type.
    return rows.to_arrow(compat_level=CompatLevel.oldest())
