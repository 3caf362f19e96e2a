"""What is special about PostgreSQL; `types.py` is how values are kept, `errors.py` what errors mean."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import dataframely as dy
import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from tasks.database.dialects import on_conflict, statements
from tasks.database.dialects.dialect import Answers, Cursor, Query, Statements
from tasks.database.dialects.failure import Failure, LockedError
from tasks.database.dialects.postgresql import errors as driver_errors
from tasks.database.dialects.postgresql import odbc_answers
from tasks.database.dialects.postgresql import types as column_types
from tasks.errors import EtlError

NUMBERED = "numeric_dollar"  # parameters are $1, $2 in the protocol, and in ADBC
MARKED = "qmark"  # and ? in ODBC

_SQL: Mapping[str, sa.Dialect] = {
    style: postgresql.dialect(paramstyle=style)  # type: ignore[no-untyped-call]
    for style in (NUMBERED, MARKED)
}
_LONGEST_NAME = 63  # bytes
_LOCK = zlib.crc32(b"etl_loads")
_ROLLBACK = sa.text("ROLLBACK")
_KEY_MEMORY = "256MB"  # for a new table's primary key; with the server's 64 MB the sort of a million rows goes to disk


@dataclass(frozen=True)
class Postgresql:
    """A database. Its tables are where the user's `search_path` puts them: in `public`, unless somebody changed it.

    Two loads into one database do not run at the same time: the ledger is one table, and the lock is one per database.
    It is an advisory lock of the transaction, so readers are never stopped, and a connection pooler in transaction
    mode can stand in between.
    """

    place: str
    lock_timeout: float  # seconds
    paramstyle: str = NUMBERED

    on_open: ClassVar[Statements] = (sa.text("SET TIME ZONE 'UTC'"),)
    commit: ClassVar[sa.ClauseElement] = sa.text("COMMIT")
    rollback: ClassVar[sa.ClauseElement] = _ROLLBACK
    begin_reading: ClassVar[Statements] = (sa.text("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),)
    end_reading: ClassVar[Statements] = (_ROLLBACK,)

    # Rows into a table without an index and the index over all of them: two thirds of the time.
    key_comes_last: ClassVar[bool] = True

    reads_times: ClassVar[bool] = False

    @property
    def sql(self) -> sa.Dialect:
        return _SQL[self.paramstyle]

    @property
    def begin(self) -> Statements:
        return (
            sa.text("BEGIN"),
            _set("lock_timeout", f"{max(1, round(self.lock_timeout * 1000))}ms"),  # 0 would be for ever
            _set("maintenance_work_mem", _KEY_MEMORY),
            sa.select(sa.func.pg_advisory_xact_lock(sa.literal_column(str(_LOCK)))),
        )

    def require_reading(self, query: str) -> None:
        """The transaction refuses to write."""

    def lock_holders(self) -> sa.ClauseElement:
        return sa.text(
            """SELECT CAST(a.application_name || ' from ' || coalesce(host(a.client_addr), 'the server itself')
                || ', backend ' || a.pid AS VARCHAR(300))
            FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
            WHERE l.locktype = 'advisory' AND l.granted AND l.objid = :lock AND l.database = (
                SELECT oid FROM pg_database WHERE datname = current_database())"""
        ).bindparams(sa.bindparam("lock", _LOCK, sa.BigInteger, literal_execute=True))

    def scroll(self, query: sa.ClauseElement, rows: int) -> tuple[sa.ClauseElement, sa.ClauseElement]:
        # A client library that is simply asked for the rows takes all of them into memory.
        fetch = sa.text("FETCH FORWARD :rows FROM etl_rows")
        return _Declare(query), fetch.bindparams(sa.bindparam("rows", rows, sa.Integer, literal_execute=True))

    def prepared(self, query: Query, answers: Answers) -> tuple[sa.ClauseElement, int]:
        if self.paramstyle == MARKED:
            odbc_answers.check(query, answers)
        return query, 0

    def not_before(
        self, column: sa.ColumnElement[Any], least: Cursor
    ) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[Any]]:
        compared = sa.collate(column, "C") if isinstance(least, str) else column
        return compared >= statements.bound(least), compared

    def column_type(self, column: dy.Column) -> TypeEngine[Any]:
        return column_types.column_type(column)

    def same_type(self, declared: str, wanted: str) -> bool:
        return column_types.same_type(declared, wanted)

    def table_options(self, key: Sequence[dy.Column]) -> Mapping[str, Any]:  # noqa: ARG002 - it takes any
        return {}

    @property
    def tables(self) -> sa.ClauseElement:
        return sa.text(
            """SELECT CAST(relname AS VARCHAR(63)) AS name FROM pg_class
            WHERE relkind = 'r' AND relpersistence <> 't' AND pg_table_is_visible(oid)"""
        )

    def describe(self, table: str) -> sa.ClauseElement:
        return sa.text(
            """SELECT CAST(a.attname AS VARCHAR(63)) AS name,
                CAST(replace(upper(format_type(a.atttypid, a.atttypmod)), 'CHARACTER VARYING', 'VARCHAR')
                    AS VARCHAR(200)) AS type,
                a.attnotnull AS required, a.atthasdef OR a.attidentity <> '' AS has_default,
                coalesce((SELECT k.place FROM unnest(i.indkey) WITH ORDINALITY AS k(number, place)
                    WHERE k.number = a.attnum), 0) AS key
            FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
            WHERE a.attrelid = to_regclass(quote_ident(CAST(:name AS VARCHAR(200))))
                AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attnum"""
        ).bindparams(name=table)

    def staging(self, name: str, columns: Sequence[sa.Column[Any]]) -> sa.Table:
        cut = name.encode()[:_LONGEST_NAME].decode(errors="ignore")
        return sa.Table(
            cut,
            sa.MetaData(),
            *columns,
            prefixes=["TEMPORARY"],
            postgresql_on_commit="DROP",
            info={"temporary": True},
        )

    def same(self, one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return one == other

    def differs(self, one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return one.is_distinct_from(other)

    def upsert(self, target: sa.Table, staging: sa.Table) -> Statements:
        return (on_conflict.upsert(postgresql.insert, target, staging),)

    def delete(self, target: sa.Table, staging: sa.Table) -> sa.ClauseElement:
        return sa.delete(target).where(statements.same_key(target, staging, self))

    def stored(self, rows: pl.DataFrame) -> pl.DataFrame:
        return column_types.stored(rows)

    def restored(self, rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
        return column_types.restored(rows, types)

    def explained(self, failure: Failure) -> EtlError:
        if failure.state == "55P03":
            return LockedError(
                f"{self.place} is in use by another run, and did not become free within {self.lock_timeout:g} s. Try "
                "again when it has ended, or wait longer with ?lock_timeout=... in ETL_WAREHOUSE_URL."
            )
        return driver_errors.explained(failure, self.place)


class _Declare(sa.Executable, sa.ClauseElement):
    """DECLARE ... CURSOR FOR a query, which SQLAlchemy does not have."""

    inherit_cache = False

    def __init__(self, query: sa.ClauseElement) -> None:
        self.query = query


@compiles(_Declare)
def _declare(element: _Declare, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - as SQLAlchemy has it
    return f"DECLARE etl_rows NO SCROLL CURSOR FOR {compiler.process(element.query, **options)}"


def _set(name: str, value: str) -> sa.ClauseElement:
    """For the rest of the transaction."""
    return sa.select(sa.func.set_config(name, value, sa.true()))
