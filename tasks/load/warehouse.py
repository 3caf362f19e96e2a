"""The warehouse: a SQL store that takes what changed in the lake, whole or not at all."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import polars as pl
import sqlalchemy as sa
from pydantic import SecretStr

from tasks.datasets import Dataset
from tasks.errors import ConfigurationError
from tasks.load import contract, ledger, leftovers, statements, streaming, views
from tasks.load.connection import Connection
from tasks.load.ledger import RunRow
from tasks.load.order import Order
from tasks.load.part import NOTHING, LoadResult, Mode, Part
from tasks.load.schemes import open_connection
from tasks.load.transaction import reading, writing
from tasks.load.transfer import Transfer
from tasks.window import Window

__all__ = ["NOTHING", "LoadResult", "Mode", "Part", "RunRow", "Warehouse", "open_warehouse"]

LOCK_TIMEOUT = 30.0
ROWS_PER_BATCH = 100_000


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Warehouse:
    def __init__(self, connection: Connection, clock: Callable[[], datetime] = _utc_now) -> None:
        self._connection = connection
        self._clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def loaded(self, dataset: Dataset) -> dict[str, str]:
        """The snapshot that the dataset's table has, by partition. Empty if the table is not there."""
        if dataset.table is None or not contract.described(self._connection, dataset.table):
            return {}
        return ledger.loaded(self._connection, dataset.name)

    def load(
        self,
        dataset: Dataset,
        parts: Iterable[Part],
        mode: Mode = "upsert",
        *,
        run: str,
        window: Window | None = None,
    ) -> LoadResult:
        """Brings the parts into the dataset's table and the ledger, in one transaction.

        Parts are taken one at a time while the transaction is open. Those whose snapshot the table has are skipped.
        Mode `append` inserts, `upsert` inserts or updates by key, `replace` first deletes what is in `window`
        (by the dataset's period column). The rows in `deleted` go in any mode.

        After any error the store is as before. ContractError: rows or table break the contract, or counts do not
        agree. TransientError: the lock did not come in time, or another run came first. ConfigurationError: the
        store cannot be written, or the arguments make no sense. FatalError: the disk is full, or the store is broken.
        """
        order = Order(dataset, mode, run, window)
        with writing(self._connection):
            return Transfer(self._connection, order, self._clock).run(parts)

    def record_run(self, row: RunRow) -> None:
        """Writes the row to `etl_runs`, in place of an earlier one of the same run."""
        with writing(self._connection):
            ledger.write_run(self._connection, row)

    def ensure_views(self) -> list[str]:
        """Creates the views that a dashboard reads, of tables that are there. Returns the names of those made now."""
        with writing(self._connection):
            return views.ensure_views(self._connection)

    def remove_leftovers(self) -> list[str]:
        """Drops the staging tables of loads that died, never one in use: no load is at work meanwhile.

        Returns their names. Raises LockedError, a TransientError, where one does not end within the deadline."""
        with writing(self._connection):
            return leftovers.remove_leftovers(self._connection)

    def query(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        types: Mapping[str, pl.DataType] | None = None,
    ) -> pl.DataFrame:
        """The answer to a query. Values are bound: `:name` in the text, a list for `IN :name`.

        Columns come as the store keeps them (in SQLite dates are text); those named in `types`, such as
        `PRICES.polars_schema`, come in these types. ConfigurationError: the store refuses the query.
        """
        found = self._connection.fetch(statements.text(sql, params or {}))
        return self._connection.dialect.restored(found, types or {})

    def stream(
        self, sql: str, params: Mapping[str, object] | None = None, rows_per_batch: int = ROWS_PER_BATCH
    ) -> Iterator[pl.DataFrame]:
        """The answer to a query in batches of so many rows; of an empty answer, one without rows.

        Values are bound as in `query`, and columns come as the store keeps them. One batch is in memory at a time.
        The query is a transaction that changes nothing: where the store can, it refuses to, and everywhere it is
        undone at the end. Until the last batch was taken, or the iterator closed, the warehouse does nothing else.
        """
        if rows_per_batch < 1:
            raise ConfigurationError(f"An answer cannot come in batches of {rows_per_batch} rows. Give 1 or more.")
        return self._streamed(statements.text(sql, params or {}), rows_per_batch)

    def _streamed(self, query: sa.ClauseElement, rows: int) -> Iterator[pl.DataFrame]:
        with reading(self._connection):
            yield from streaming.batches(self._connection, query, rows)


def open_warehouse(
    url: str | SecretStr,
    *,
    lock_timeout: float = LOCK_TIMEOUT,
    clock: Callable[[], datetime] = _utc_now,
) -> Warehouse:
    """The warehouse at a URL such as `sqlite:///folder/file.sqlite`; a folder that is missing is made.

    `lock_timeout` is how many seconds to wait for another writer; `?lock_timeout=5` in the URL comes before it.
    Raises ConfigurationError for a URL that makes no sense or a place that cannot be opened.
    """
    text = url.get_secret_value() if isinstance(url, SecretStr) else url
    return Warehouse(open_connection(text, lock_timeout), clock)
