"""The warehouse: a SQL store that takes what changed in the lake, whole or not at all.

Of two runs that load at once one waits: `Dialect.begin` takes a lock of the whole database, and what the other has
loaded meanwhile is seen by `transfer.py`, in the ledger."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from tasks.database.connection import Connection
from tasks.database.schemes import LOCK_TIMEOUT, open_connection
from tasks.database.transaction import writing
from tasks.datasets import Dataset
from tasks.lake import Lake
from tasks.load import contract, ledger, staging, views
from tasks.load.comparison.compare import compare
from tasks.load.ledger import RunRow
from tasks.load.load_result import LoadResult
from tasks.load.request import LoadRequest, Mode, Part
from tasks.load.transfer import Transfer
from tasks.window import Window


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
        largest_deletion: float = 1.0,
        lake_is_right: bool = False,
    ) -> LoadResult:
        """Brings the parts into the dataset's table and the ledger, in one transaction.

        Parts are taken one at a time while the transaction is open. Those whose snapshot the table has are skipped.
        Mode `append` inserts, `upsert` inserts or updates by key, `replace` first deletes what is in `window`
        (by the dataset's period column). The rows in `deleted` go in any mode.
        More than a share of a partition, `largest_deletion`, is not deleted, nor anything deleted or changed for a
        part that does not continue what was loaded, unless somebody said that the lake is right.

        After any error the store is as before. ContractError: rows or table break the contract, or counts do not
        agree. TransientError: the lock did not come in time, or another run came first. ConfigurationError: the
        store cannot be written, or the arguments make no sense. FatalError: the disk is full, or the store is broken.
        LossError, a FatalError: more would be deleted than may be.
        """
        request = LoadRequest(dataset, mode, run, window, largest_deletion, lake_is_right)
        with writing(self._connection):
            return Transfer(self._connection, request, self._clock).run(parts)

    def compare(self, lake: Lake, dataset: Dataset, window: Window | None = None) -> dict[str, str]:
        """What the table has otherwise than the lake, by partition: see `comparison.compare`."""
        return compare(self._connection, lake, dataset, window)

    def record_run(self, row: RunRow) -> None:
        """Writes the row to `etl_runs`, in place of an earlier one of the same run."""
        with writing(self._connection):
            ledger.write_run(self._connection, row)

    def ensure_views(self) -> list[str]:
        """Creates the views that a dashboard reads, of tables that are there. Returns the names of those made now."""
        with writing(self._connection):
            return views.ensure_views(self._connection)

    def remove_abandoned_staging(self) -> list[str]:
        """Drops the staging tables of loads that died, never one in use: no load is at work meanwhile.

        Returns their names. Raises LockedError, a TransientError, where one does not end within the deadline."""
        with writing(self._connection):
            return staging.remove_abandoned_staging(self._connection)


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
