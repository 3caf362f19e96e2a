"""What is special about SQLite; `sqlite_types` says how values are kept, `sqlite_errors` what its failures mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import dataframely as dy
import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from tasks.errors import EtlError
from tasks.load import statements
from tasks.load.dialects import sqlite_errors, sqlite_file, sqlite_types

_CACHE_KIB = 64 * 1024


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

    sql: ClassVar[sa.Dialect] = sqlite.dialect(paramstyle="qmark")

    # Not IMMEDIATE: a load that outgrows the cache writes to the file before it commits, and would then wait for
    # readers at every row. So it waits for them once, at its start, and they wait for its end.
    begin: ClassVar[str] = "BEGIN EXCLUSIVE"

    @classmethod
    def at(cls, url: sa.URL, lock_timeout: float) -> Self:
        """Raises ConfigurationError for a URL without a file, and for a place where none can be."""
        return cls(sqlite_file.prepared(url), lock_timeout)

    @property
    def place(self) -> str:
        return f"SQLite file {self.path}"

    def on_open(self) -> Sequence[sa.ClauseElement]:
        """To be run on a new connection. The last one shows whether the file is a database at all."""
        return (
            _pragma("PRAGMA busy_timeout = :value", round(self.lock_timeout * 1000)),
            _pragma("PRAGMA cache_size = :value", -_CACHE_KIB),
            sa.text("PRAGMA schema_version"),
        )

    def column_type(self, column: dy.Column) -> TypeEngine[Any]:
        return sqlite_types.column_type(column)

    def same_type(self, declared: str, wanted: str) -> bool:
        return sqlite_types.kind(declared) == sqlite_types.kind(wanted)

    def table_options(self, *, keyed: bool) -> Mapping[str, Any]:
        # One tree in the order of the key, not rows and an index beside them: a quarter smaller, and faster.
        return {"sqlite_with_rowid": not keyed}

    def describe(self, table: str) -> sa.ClauseElement:
        return sa.text(
            """SELECT name, type, "notnull" AS required, dflt_value IS NOT NULL AS has_default, pk AS "key"
            FROM pragma_table_info(:table)"""
        ).bindparams(table=table)

    def upsert(self, target: sa.Table, staging: sa.Table) -> Sequence[sa.ClauseElement]:
        # Without a WHERE, SQLite would take ON CONFLICT for the condition of a join: sqlite.org/lang_upsert.html.
        rows = sa.select(staging).where(sa.true())
        insert = sqlite.insert(target).from_select([c.name for c in staging.columns], rows)
        key, values = statements.key_of(target), statements.values_of(target)
        if not values:
            return (insert.on_conflict_do_nothing(index_elements=key),)
        return (
            insert.on_conflict_do_update(
                index_elements=key,
                set_={name: insert.excluded[name] for name in values},
                where=sa.or_(*statements.differing(target, insert.excluded)),
            ),
        )

    def delete(self, target: sa.Table, staging: sa.Table) -> sa.ClauseElement:
        # A row value IN (...) is looked up by the primary key; EXISTS would read the whole target.
        key = statements.key_of(target)
        staged = sa.select(*(staging.c[name] for name in key))
        return sa.delete(target).where(sa.tuple_(*(target.c[name] for name in key)).in_(staged))

    def staging(self, name: str, columns: Sequence[sa.Column[Any]]) -> sa.Table:
        return sa.Table(name, sa.MetaData(), *columns, prefixes=["TEMPORARY"], info={"temporary": True})

    def stored(self, rows: pl.DataFrame) -> pl.DataFrame:
        return sqlite_types.stored(rows)

    def restored(self, rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
        return sqlite_types.restored(rows, types)

    def explained(self, error: Exception) -> EtlError:
        return sqlite_errors.explained(error, self.path, self.lock_timeout)

    def nothing_to_undo(self, error: Exception) -> bool:
        return "no transaction is active" in str(error)


def _pragma(text: str, value: int) -> sa.ClauseElement:
    # A PRAGMA takes no bound value: SQLAlchemy writes the number into the text.
    return sa.text(text).bindparams(sa.bindparam("value", value, sa.Integer, literal_execute=True))
