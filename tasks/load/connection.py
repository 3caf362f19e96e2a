"""The interface that adbc.py and odbc.py stand behind: one transaction at a time on one SQL store."""

from typing import Any, Protocol

import polars as pl
import sqlalchemy as sa

from tasks.load.dialects.dialect import Dialect


class Connection(Protocol):
    """Every method raises errors of tasks/errors.py, in the words of the dialect."""

    @property
    def dialect(self) -> Dialect: ...

    def begin(self) -> None:
        """Opens a transaction that no other writer can be inside of, or raises TransientError after the deadline."""

    def commit(self) -> None: ...

    def rollback(self) -> None:
        """Undoes the transaction. There may be none any more: some failures end it by themselves."""

    def execute(self, statement: sa.ClauseElement) -> int:
        """The number of rows affected; of no meaning for DDL."""

    def fetch(self, statement: sa.ClauseElement) -> pl.DataFrame: ...

    def ingest(self, table: sa.Table, rows: pl.DataFrame) -> int:
        """Appends typed rows to a table. Returns how many the driver says it wrote."""

    def close(self) -> None: ...


def scalar(connection: Connection, statement: sa.ClauseElement) -> Any:  # noqa: ANN401 - whatever the query returns
    return connection.fetch(statement).item()
