"""What is special about SQLite; `types.py` says how values are kept, `errors.py` what its failures mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Self

import dataframely as dy
import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from tasks.database.dialects import on_conflict, statements
from tasks.database.dialects.dialect import Answers, Cursor, Query, Statements
from tasks.database.dialects.failure import Failure
from tasks.database.dialects.sqlite import errors as driver_errors
from tasks.database.dialects.sqlite import file, storage_classes
from tasks.database.dialects.sqlite import types as column_types
from tasks.errors import ConfigurationError, EtlError

_CACHE_KIB = 64 * 1024
_ROLLBACK = sa.text("ROLLBACK")


@dataclass(frozen=True)
class Sqlite:
    """A database file.

    Its journal stays the rollback journal: the result is one file, also on a network share; what a killed
    process leaves is rolled back by whoever opens it next; and as new pages need no journal, a first load is
    faster than with a write-ahead log. `synchronous` stays FULL: a flush per load costs next to nothing.

    The driver brings its own SQLite. Python's `sqlite3` must not open the file in a process that is loading: neither
    sees the other's locks, and closing the file in one drops those of the other (sqlite.org/howtocorrupt.html, 2.2).
    """

    path: Path
    lock_timeout: float  # seconds
    through_odbc: bool = False

    sql: ClassVar[sa.Dialect] = sqlite.dialect(paramstyle="qmark")

    # Not IMMEDIATE: a load that outgrows the cache writes to the file before it commits, and would then wait for
    # readers at every row. So it waits for them once, at its start, and they wait for its end.
    begin: ClassVar[Statements] = (sa.text("BEGIN EXCLUSIVE"),)
    commit: ClassVar[sa.ClauseElement] = sa.text("COMMIT")
    rollback: ClassVar[sa.ClauseElement] = _ROLLBACK
    begin_reading: ClassVar[Statements] = (sa.text("PRAGMA query_only = ON"), sa.text("BEGIN"))
    end_reading: ClassVar[Statements] = (_ROLLBACK, sa.text("PRAGMA query_only = OFF"))

    # Where the key is the order of the rows, it cannot come later than they do.
    key_comes_last: ClassVar[bool] = False

    reads_times: ClassVar[bool] = True

    @classmethod
    def at(cls, url: sa.URL, lock_timeout: float, *, through_odbc: bool = False) -> Self:
        """Raises ConfigurationError for a URL without a file, and for a place where none can be."""
        return cls(file.prepared(url), lock_timeout, through_odbc)

    @property
    def place(self) -> str:
        return f"SQLite file {self.path}"

    @property
    def on_open(self) -> Statements:
        # The last one shows whether the file is a database at all.
        return (
            _pragma("PRAGMA busy_timeout = :value", round(self.lock_timeout * 1000)),
            _pragma("PRAGMA cache_size = :value", -_CACHE_KIB),
            sa.text("PRAGMA schema_version"),
        )

    def require_reading(self, query: str) -> None:
        # The transaction refuses to write to the database; ATTACH makes another file.
        word = query.lstrip("( \t\r\n")[:6].upper()
        if not word.startswith(("SELECT", "WITH", "VALUES")):
            raise ConfigurationError(f"{self.place} refuses the query: it begins with {word}. Give a single SELECT.")

    def lock_holders(self) -> None:
        """None: the operating system knows them, and the error names them."""

    def scroll(self, query: sa.ClauseElement, rows: int) -> None:
        """None: SQLite works a row out when it is fetched."""

    def prepared(self, query: Query, answers: Answers) -> tuple[sa.ClauseElement, int]:
        return storage_classes.typed(query, answers, through_odbc=self.through_odbc), 1

    def not_before(
        self, column: sa.ColumnElement[Any], least: Cursor
    ) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[Any]]:
        # It compares by what a value is stored as, and sorts any number before any text.
        kind = sa.func.typeof(column)
        if isinstance(least, int):
            return sa.or_(kind != _written("integer"), column >= statements.bound(least)), column
        compared = sa.collate(column, "BINARY")
        if isinstance(least, str):
            return sa.or_(kind != _written("text"), compared >= statements.bound(least)), compared
        # However a time is written, and in whatever zone, its text begins with its day or one beside it.
        day = date.fromordinal(max(1, least.toordinal() - 1)).isoformat()
        is_day = compared.op("GLOB")(_written("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*"))
        return sa.or_(kind != _written("text"), sa.not_(is_day), compared >= statements.bound(day)), compared

    def column_type(self, column: dy.Column) -> TypeEngine[Any]:
        return column_types.column_type(column)

    def same_type(self, declared: str, wanted: str) -> bool:
        return column_types.kind(declared) == column_types.kind(wanted)

    def table_options(self, key: Sequence[dy.Column]) -> Mapping[str, Any]:
        # One tree in the order of the key, not rows and an index beside them: a quarter smaller, and faster.
        return {"sqlite_with_rowid": not key}

    @property
    def tables(self) -> sa.ClauseElement:
        return sa.text("SELECT name FROM sqlite_master WHERE type = 'table'")

    def describe(self, table: str) -> sa.ClauseElement:
        return sa.text(
            """SELECT name, type, "notnull" AS required, dflt_value IS NOT NULL AS has_default, pk AS "key"
            FROM pragma_table_info(:table)"""
        ).bindparams(table=table)

    def staging(self, name: str, columns: Sequence[sa.Column[Any]]) -> sa.Table:
        return sa.Table(name, sa.MetaData(), *columns, prefixes=["TEMPORARY"], info={"temporary": True})

    def same(self, one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return one == other

    def differs(self, one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return one.is_distinct_from(other)

    def upsert(self, target: sa.Table, staging: sa.Table) -> Statements:
        return (on_conflict.upsert(sqlite.insert, target, staging),)

    def delete(self, target: sa.Table, staging: sa.Table) -> sa.ClauseElement:
        # A row value IN (...) is looked up by the primary key; EXISTS would read the whole target.
        key = statements.key_of(target)
        staged = sa.select(*(staging.c[name] for name in key))
        return sa.delete(target).where(sa.tuple_(*(target.c[name] for name in key)).in_(staged))

    def stored(self, rows: pl.DataFrame) -> pl.DataFrame:
        return column_types.stored(rows)

    def restored(self, rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
        return column_types.restored(rows, types)

    def explained(self, failure: Failure) -> EtlError:
        return driver_errors.explained(failure.text, self.path, self.lock_timeout)


def _written(text: str) -> sa.ColumnElement[str]:
    return sa.literal_column(f"'{text}'")


def _pragma(text: str, value: int) -> sa.ClauseElement:
    # A PRAGMA takes no bound value: SQLAlchemy writes the number into the text.
    return sa.text(text).bindparams(sa.bindparam("value", value, sa.Integer, literal_execute=True))
