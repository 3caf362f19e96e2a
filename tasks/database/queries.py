"""Queries of a SQL database, whose answers come in frames, one at a time."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import polars as pl
import sqlalchemy as sa
from pydantic import SecretStr

from tasks.database import streaming
from tasks.database.connection import Connection
from tasks.database.dialects import statements
from tasks.database.dialects.dialect import Cursor, Dialect, Query
from tasks.database.schemes import open_connection
from tasks.database.transaction import reading
from tasks.errors import ConfigurationError


@dataclass(frozen=True)
class Beyond:
    """The rows of a query whose `column` is `least` or more, in the order of the column; None: those without a value.

    Where the store cannot compare its values with `least`, or keeps them in other forms, lesser ones come with them;
    what is not lesser never lacks. Texts are in the order of their bytes in UTF-8."""

    column: str
    least: Cursor | None


class Stream(Protocol):
    """A query and the values of its `:name`s to its rows, in frames that have the same columns. Where there are no
    rows, one frame without any."""

    def __call__(
        self, sql: str, params: Mapping[str, object], beyond: Beyond | None = None
    ) -> Iterator[pl.DataFrame]: ...


_ROWS = 50_000  # in a frame


@contextmanager
def open_stream(url: SecretStr, rows_per_frame: int = _ROWS) -> Iterator[Stream]:
    """Reads from the database at a URL such as those of `ETL_WAREHOUSE_URL`, one answer at a time.

    Values are bound: `:name` in the text, a list for `IN :name`. A statement that would change anything is refused."""
    text = url.get_secret_value()
    bound = _in_utc if text.startswith("postgresql:") else _as_it_is
    with closing(open_connection(text)) as connection, ExitStack() as answers:

        def answer(sql: str, params: Mapping[str, object], beyond: Beyond | None = None) -> Iterator[pl.DataFrame]:
            values = {name: bound(value) for name, value in params.items()}
            least = replace(beyond, least=bound(beyond.least)) if beyond else None
            rows = stream(connection, sql, values, rows_per_frame, least)
            # Where nobody takes all of it, its transaction has to end before the connection does.
            answers.callback(rows.close)
            return rows

        yield answer


def stream(
    connection: Connection, sql: str, params: Mapping[str, object], rows: int, beyond: Beyond | None = None
) -> Generator[pl.DataFrame]:
    """The answer to a query in frames of so many rows; of an empty answer, one without rows.

    Columns come as the store keeps them (in SQLite dates are text). One frame is in memory at a time. The query is a
    transaction that changes nothing: where the store can, it refuses to, and everywhere it is undone at the end. Until
    the last frame was taken, or the iterator closed, the connection does nothing else. Raises ConfigurationError for a
    query that the store refuses.
    """
    if rows < 1:
        raise ConfigurationError(f"An answer cannot come in frames of {rows} rows. Give 1 or more.")
    query = statements.text(sql, params, connection.dialect)
    return _streamed(connection, _only(query, beyond, connection.dialect) if beyond else query, rows)


def _only(query: sa.TextClause, beyond: Beyond, dialect: Dialect) -> Query:
    answer = query.columns(sa.column(beyond.column)).subquery("answer")
    column = answer.c[beyond.column]
    rows: sa.Select[Any] = sa.select(sa.literal_column("*")).select_from(answer)
    if beyond.least is None:
        return rows.where(column.is_(None))
    wanted, order = dialect.not_before(column, beyond.least)
    return rows.where(wanted).order_by(order)


def _streamed(connection: Connection, query: Query, rows: int) -> Generator[pl.DataFrame]:
    with reading(connection):
        yield from streaming.batches(connection, query, rows)


def _in_utc(value: Any) -> Any:  # noqa: ANN401 - of any type
    # Around a parameter with a time zone PostgreSQL's ADBC driver begins and commits a transaction of its own: that
    # ends ours, and the cursor with it. The session is in UTC, so there a time without a zone is the same moment.
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - of any type
    return value
