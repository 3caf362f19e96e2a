"""What a SQL store must tell about itself, so that everything else in tasks/load can be written once."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import dataframely as dy
import polars as pl
import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from tasks.errors import EtlError


class Dialect(Protocol):
    @property
    def place(self) -> str:
        """What messages call the store: no secret in it."""

    @property
    def sql(self) -> sa.Dialect:
        """What SQLAlchemy compiles for, with the parameter style of the driver."""

    @property
    def begin(self) -> str:
        """The statement that opens a transaction for writing."""

    def column_type(self, column: dy.Column) -> TypeEngine[Any]:
        """Raises ContractError for a type that the store cannot keep."""

    def table_options(self, *, keyed: bool) -> Mapping[str, Any]:
        """Keyword arguments of `sa.Table` that suit a table with or without a primary key."""

    def describe(self, table: str) -> sa.ClauseElement:
        """A query for the columns of a table, none if there is no such table.

        Columns: `name`, `type` as declared, `required` (bool or 0/1), `has_default` (same), `key` (place in the
        primary key from 1, else 0).
        """

    def same_type(self, declared: str, wanted: str) -> bool:
        """Whether a column declared so holds what the contract's type would."""

    def upsert(self, target: sa.Table, staging: sa.Table) -> Sequence[sa.ClauseElement]:
        """Statements that bring the staged rows into the target by its key, and touch no row that is equal already."""

    def delete(self, target: sa.Table, staging: sa.Table) -> sa.ClauseElement:
        """Deletes the target's rows whose key is staged."""

    def staging(self, name: str, columns: Sequence[sa.Column[Any]]) -> sa.Table:
        """A table that only this load sees and that goes with its transaction; its `info` is for the driver."""

    def stored(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows in the types that the store keeps. Raises ContractError for values that it would change."""

    def restored(self, rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
        """The inverse: columns named in `types` get that type, others stay as they came."""

    def explained(self, error: Exception) -> EtlError:
        """A driver's error in our words, with what to do."""

    def nothing_to_undo(self, error: Exception) -> bool:
        """Whether a rollback failed because there was no transaction any more."""
