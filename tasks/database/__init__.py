"""SQL databases as something to read from: what extraction and exports share with the warehouse."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Protocol

import polars as pl
from pydantic import SecretStr

__all__ = ["Database", "Stream", "open_stream"]

# A query and the values of its `:name`s to its rows, in frames that have the same columns. Where there are no rows, one
# frame without any.
Stream = Callable[[str, Mapping[str, object]], Iterator[pl.DataFrame]]

_ROWS = 50_000  # in a frame


class Database(Protocol):
    def stream(self, sql: str, params: Mapping[str, object], rows_per_batch: int) -> Iterator[pl.DataFrame]:
        """The answer to a query, in a transaction that writes nothing; ends with errors of tasks/errors.py."""
        ...


@contextmanager
def open_stream(url: SecretStr, rows_per_frame: int = _ROWS) -> Iterator[Stream]:
    """Reads from the database at a URL such as those of `ETL_WAREHOUSE_URL`, one answer at a time.

    Values are bound: `:name` in the text, a list for `IN :name`. A statement that would change anything is refused."""
    bound = _in_utc if url.get_secret_value().startswith("postgresql:") else dict
    with _open(url) as database, ExitStack() as answers:

        def stream(sql: str, params: Mapping[str, object]) -> Iterator[pl.DataFrame]:
            rows = database.stream(sql, bound(params), rows_per_frame)
            if isinstance(rows, Generator):
                # Where nobody takes all of it, its transaction has to end before the connection does.
                answers.callback(rows.close)
            return rows

        yield stream


def _in_utc(params: Mapping[str, object]) -> dict[str, object]:
    # Around a parameter with a time zone PostgreSQL's ADBC driver begins and commits a transaction of its own: that
    # ends ours, and the cursor with it. The session is in UTC, so there a time without a zone is the same moment.
    return {
        name: value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value
        for name, value in params.items()
    }


def _open(url: SecretStr) -> AbstractContextManager[Database]:
    # Imported here until connections and dialects have moved to this noun, and tasks/load imports them from it.
    from tasks.load.warehouse import open_warehouse  # noqa: PLC0415

    return open_warehouse(url)
