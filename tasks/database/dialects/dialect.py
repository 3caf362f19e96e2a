"""What a SQL store must tell about itself, so that queries and loads can be written once."""

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol

import dataframely as dy
import polars as pl
import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from tasks.database.dialects.failure import Failure
from tasks.errors import EtlError

Cursor = int | datetime | date | str  # how far a column has been read
Query = sa.TextClause | sa.Select[Any]
Answers = Callable[[sa.ClauseElement, int], Generator[pl.DataFrame]]  # to a query, in batches of so many rows
Statements = Sequence[sa.ClauseElement]


class Dialect(Protocol):
    @property
    def place(self) -> str:
        """What messages call the store: no secret in it."""

    @property
    def sql(self) -> sa.Dialect:
        """What SQLAlchemy compiles for, with the parameter style of the driver."""

    # Connections and transactions. The driver commits by itself: a transaction is opened and ended by statements.

    @property
    def on_open(self) -> Statements:
        """To be run on a new connection."""

    @property
    def begin(self) -> Statements:
        """Open a transaction for writing that no other run can be inside of, or fail after the deadline."""

    @property
    def commit(self) -> sa.ClauseElement: ...

    @property
    def rollback(self) -> sa.ClauseElement: ...

    @property
    def begin_reading(self) -> Statements:
        """Open a transaction that writes nothing, where the store can refuse to."""

    def require_reading(self, query: str) -> None:
        """Where it cannot: raises ConfigurationError for a query that would change anything."""

    @property
    def end_reading(self) -> Statements: ...

    def lock_holders(self) -> sa.ClauseElement | None:
        """A query for who holds the lock of `begin`, one column of text; None where it cannot be asked."""

    def scroll(self, query: sa.ClauseElement, rows: int) -> tuple[sa.ClauseElement, sa.ClauseElement] | None:
        """What opens a query inside a transaction, and what fetches its next rows. None: the driver does it all."""

    def prepared(self, query: Query, answers: Answers) -> tuple[sa.ClauseElement, int]:
        """The query as it is to be run, and how many rows come before its answer, to tell the driver its types.

        Raises ConfigurationError for a query whose values have no type in common."""

    def not_before(
        self, column: sa.ColumnElement[Any], least: Cursor
    ) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[Any]]:
        """Whether a value of the column may be `least` or more, and what sorts the rows by it.

        True wherever the store cannot tell, so that no such value is lost; texts are compared by their bytes."""

    # Tables.

    def column_type(self, column: dy.Column) -> TypeEngine[Any]:
        """Raises ContractError for a type that the store cannot keep."""

    def table_options(self, key: Sequence[dy.Column]) -> Mapping[str, Any]:
        """Keyword arguments of `sa.Table` that suit this primary key. Raises ContractError if it cannot be one."""

    @property
    def key_comes_last(self) -> bool:
        """Whether a new table is filled faster when its primary key is made after its rows are in."""

    @property
    def tables(self) -> sa.ClauseElement:
        """A query for the names of the tables among which loads make theirs, one column of text."""

    def describe(self, table: str) -> sa.ClauseElement:
        """A query for the columns of a table, none if there is no such table.

        Columns: `name`, `type` as declared, `required` (bool or 0/1), `has_default` (same), `key` (place in the
        primary key from 1, else 0).
        """

    def same_type(self, declared: str, wanted: str) -> bool:
        """Whether a column declared so holds what the contract's type would."""

    def staging(self, name: str, columns: Sequence[sa.Column[Any]]) -> sa.Table:
        """A table that only this load uses and that goes with its transaction; its `info` is for the driver."""

    # Rows.

    def same(self, one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """Whether two values of a key are the same one."""

    def differs(self, one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """Whether two values differ in anything; two nulls are the same."""

    def upsert(self, target: sa.Table, staging: sa.Table) -> Statements:
        """Statements that bring the staged rows into the target by its key, and touch no row that is equal already."""

    def delete(self, target: sa.Table, staging: sa.Table) -> sa.ClauseElement:
        """Deletes the target's rows whose key is staged."""

    @property
    def reads_times(self) -> bool:
        """Whether a time, or a moment with its zone, that is sent as text is one where a column is of that type."""

    def stored(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows in the types that the store keeps. Raises ContractError for values that it would change."""

    def restored(self, rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
        """The inverse: columns named in `types` get that type, others stay as they came."""

    def explained(self, failure: Failure) -> EtlError:
        """A driver's error in our words, with what to do."""
