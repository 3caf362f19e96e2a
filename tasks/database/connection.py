"""The interface that adbc/ and odbc/ stand behind: statements on one SQL store, which commits each by itself."""

from collections.abc import Generator
from typing import Any, Protocol

import polars as pl
import sqlalchemy as sa

from tasks.database.dialects.dialect import Dialect


class Connection(Protocol):
    """Every method raises errors of tasks/errors.py, in the words of the dialect."""

    @property
    def dialect(self) -> Dialect: ...

    def execute(self, statement: sa.ClauseElement) -> int:
        """The number of rows affected; of no meaning for anything but INSERT, UPDATE and DELETE."""

    def fetch(self, statement: sa.ClauseElement) -> pl.DataFrame: ...

    def batches(self, statement: sa.ClauseElement, rows: int) -> Generator[pl.DataFrame]:
        """The answer in pieces of about so many rows, as the driver brings them; at least one, be it empty."""

    def ingest(self, table: sa.Table, rows: pl.DataFrame) -> int:
        """Appends typed rows to a table. Returns how many the driver says it wrote, or was given if it does not say."""

    def close(self) -> None: ...


def shown(url: sa.URL) -> str:
    """The database as messages name it: without the password, and without the parameters, which may hold another."""
    return f"The database {url.set(query={}).render_as_string()}"


def scalar(connection: Connection, statement: sa.ClauseElement) -> Any:  # noqa: ANN401 - whatever the query returns
    return connection.fetch(statement).item()
