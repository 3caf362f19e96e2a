"""What is special about SQL Server and Azure SQL; `types.py` is how values are kept, `errors.py` what errors
mean. Statements are plain T-SQL: other servers of its protocol, TDS, do not have all that is Microsoft's.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import dataframely as dy
import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import mssql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import DDLCompiler
from sqlalchemy.types import TypeEngine

from tasks.database.dialects import statements
from tasks.database.dialects.dialect import Cursor, Query, Statements
from tasks.database.dialects.failure import Failure, LockedError
from tasks.database.dialects.sqlserver import errors as driver_errors
from tasks.database.dialects.sqlserver import types as column_types
from tasks.database.dialects.sqlserver.read_only import require_select
from tasks.database.dialects.staging_names import private_name
from tasks.errors import ConfigurationError, EtlError

COLLATION = "Latin1_General_BIN2"
_BINARY = re.compile(r"\w+_BIN2?", re.IGNORECASE | re.ASCII)
_LONGEST_NAME = 128
_ROLLBACK = sa.text("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")


@dataclass(frozen=True)
class SqlServer:
    """A database. Its tables are in the user's default schema, which is `dbo` unless somebody changed it.

    Two loads into one database do not run at the same time: the ledger is one table, and the lock is one per database.
    It is an application lock of the transaction, which goes with it, and stops nobody else.
    """

    place: str
    lock_timeout: float  # seconds
    collation: str = COLLATION  # of text in keys: a binary one

    sql: ClassVar[sa.Dialect] = mssql.dialect(paramstyle="qmark")  # type: ignore[no-untyped-call]
    commit: ClassVar[sa.ClauseElement] = sa.text("COMMIT TRANSACTION")
    rollback: ClassVar[sa.ClauseElement] = _ROLLBACK
    begin_reading: ClassVar[Statements] = (sa.text("BEGIN TRANSACTION"),)
    end_reading: ClassVar[Statements] = (_ROLLBACK,)

    # Where the key is the order of the rows, it cannot come later than they do.
    key_comes_last: ClassVar[bool] = False

    # The driver asks for the types of parameters. Of one in a CAST, some servers do not know it: the error undoes all.
    reads_times: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not _BINARY.fullmatch(self.collation):
            raise ConfigurationError(
                f"collation={self.collation} in ETL_WAREHOUSE_URL is not a binary collation, as {COLLATION} is. Give "
                "one: in any other, different keys count as the same."
            )

    @property
    def on_open(self) -> Statements:
        return (
            sa.text("SET XACT_ABORT ON"),  # any error undoes the whole transaction
            sa.text("SET NOCOUNT OFF"),
            _number("SET LOCK_TIMEOUT :value", self._milliseconds),
        )

    @property
    def begin(self) -> Statements:
        # Negative results are a deadline, a cancellation, a deadlock and wrong arguments: all mean there is no lock.
        lock = """DECLARE @got INT;
            EXEC @got = sp_getapplock @Resource = N'etl_loads', @LockMode = N'Exclusive',
                @LockOwner = N'Transaction', @LockTimeout = :value;
            IF @got < 0 RAISERROR(N'sp_getapplock returned %d', 16, 1, @got)"""
        return (sa.text("BEGIN TRANSACTION"), _number(lock, self._milliseconds))

    @property
    def _milliseconds(self) -> int:
        return round(self.lock_timeout * 1000)

    def require_reading(self, query: str) -> None:
        require_select(query)

    def lock_holders(self) -> None:
        """None: only who may view the server's state may ask."""

    def scroll(self, query: sa.ClauseElement, rows: int) -> None:
        """None: drivers take rows from the network as they are asked for."""

    def prepared(self, query: Query, answers: object) -> tuple[sa.ClauseElement, int]:  # noqa: ARG002 - it has types
        return query, 0

    def not_before(
        self, column: sa.ColumnElement[Any], least: Cursor
    ) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[Any]]:
        if isinstance(least, str):
            compared = sa.collate(column, self.collation)
            return compared >= statements.bound(least), compared
        if isinstance(least, datetime):
            # A DATETIME is a third of a hundredth of a second off what its driver says, and takes no zone.
            kind = column_types.MOMENT if least.tzinfo else column_types.LOCAL_TIME
            return column >= sa.cast(statements.bound(least - timedelta(seconds=1)), kind), column
        return column >= statements.bound(least), column

    def column_type(self, column: dy.Column) -> TypeEngine[Any]:
        return column_types.column_type(column, self.collation)

    def same_type(self, declared: str, wanted: str) -> bool:
        return column_types.same_type(declared, wanted)

    def table_options(self, key: Sequence[dy.Column]) -> Mapping[str, Any]:
        column_types.check_key(key)
        return {}

    @property
    def tables(self) -> sa.ClauseElement:
        return sa.text(
            """SELECT TABLE_NAME AS name FROM INFORMATION_SCHEMA.TABLES
            WHERE TABLE_SCHEMA = SCHEMA_NAME() AND TABLE_TYPE = 'BASE TABLE'"""
        )

    def describe(self, table: str) -> sa.ClauseElement:
        return sa.text(
            """SELECT c.COLUMN_NAME AS name,
                UPPER(c.DATA_TYPE) + CASE
                    WHEN c.DATA_TYPE = 'float' AND c.NUMERIC_PRECISION > 24 THEN '(53)'
                    WHEN c.DATA_TYPE IN ('decimal', 'numeric')
                        THEN '(' + CAST(c.NUMERIC_PRECISION AS VARCHAR(10)) + ', '
                            + CAST(c.NUMERIC_SCALE AS VARCHAR(10)) + ')'
                    WHEN c.DATA_TYPE IN ('datetime2', 'datetimeoffset', 'time')
                        THEN '(' + CAST(c.DATETIME_PRECISION AS VARCHAR(10)) + ')'
                    WHEN c.CHARACTER_MAXIMUM_LENGTH = -1 THEN '(MAX)'
                    WHEN c.CHARACTER_MAXIMUM_LENGTH IS NOT NULL
                        THEN '(' + CAST(c.CHARACTER_MAXIMUM_LENGTH AS VARCHAR(10)) + ')'
                    ELSE '' END
                    + CASE WHEN k.ORDINAL_POSITION IS NULL OR c.COLLATION_NAME IS NULL THEN ''
                        ELSE ' COLLATE ' + c.COLLATION_NAME END AS type,
                CASE WHEN c.IS_NULLABLE = 'NO' THEN 1 ELSE 0 END AS required,
                CASE WHEN c.COLUMN_DEFAULT IS NULL THEN 0 ELSE 1 END AS has_default,
                COALESCE(k.ORDINAL_POSITION, 0) AS [key]
            FROM INFORMATION_SCHEMA.COLUMNS c
            LEFT JOIN (
                SELECT u.TABLE_SCHEMA, u.TABLE_NAME, u.COLUMN_NAME, u.ORDINAL_POSITION
                FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE u
                JOIN INFORMATION_SCHEMA.TABLE_CONSTRAINTS p ON p.CONSTRAINT_NAME = u.CONSTRAINT_NAME
                    AND p.TABLE_SCHEMA = u.TABLE_SCHEMA AND p.TABLE_NAME = u.TABLE_NAME
                WHERE p.CONSTRAINT_TYPE = 'PRIMARY KEY'
            ) k ON k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME AND k.COLUMN_NAME = c.COLUMN_NAME
            WHERE c.TABLE_SCHEMA = SCHEMA_NAME() AND c.TABLE_NAME = :name
            ORDER BY c.ORDINAL_POSITION"""
        ).bindparams(name=table)

    def staging(self, name: str, columns: Sequence[sa.Column[Any]]) -> sa.Table:
        # A real table: with #temp ones fast_executemany fails on some servers. Made inside the transaction, under a
        # name that nobody else has, it goes with it whatever happens.
        return sa.Table(private_name(name, _LONGEST_NAME), sa.MetaData(), *columns)

    def same(self, one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        # The length too: to T-SQL, blanks at the end make no difference.
        return sa.and_(one == other, _bytes(one) == _bytes(other)) if _is_text(one) else one == other

    def differs(self, one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        # IS DISTINCT FROM came with SQL Server 2022.
        differ: sa.ColumnElement[bool] = one != other
        if _is_text(one):
            differ = sa.collate(one, self.collation) != sa.collate(other, self.collation)
        if _is_text(one) or isinstance(one.type, mssql.VARBINARY):
            differ = sa.or_(differ, _bytes(one) != _bytes(other))
        return sa.or_(differ, sa.and_(one.is_(None), other.is_not(None)), sa.and_(one.is_not(None), other.is_(None)))

    def upsert(self, target: sa.Table, staging: sa.Table) -> Statements:
        # Not MERGE, which has long-standing faults under concurrency, and which not every TDS server has.
        same_key = statements.same_key(target, staging, self)
        there: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(target).where(same_key)
        missing = sa.select(staging).where(~sa.exists(there.correlate(staging)))
        insert = sa.insert(target).from_select([c.name for c in staging.columns], missing)
        values = {name: staging.c[name] for name in statements.values_of(target)}
        if not values:
            return (insert,)
        changed = statements.differing(target, staging, self)
        return (sa.update(target).values(values).where(same_key, changed), insert)

    def delete(self, target: sa.Table, staging: sa.Table) -> sa.ClauseElement:
        staged: sa.Select[Any] = (
            sa.select(sa.literal_column("1")).select_from(staging).where(statements.same_key(target, staging, self))
        )
        return sa.delete(target).where(sa.exists(staged.correlate(target)))

    def stored(self, rows: pl.DataFrame) -> pl.DataFrame:
        return column_types.stored(rows)

    def restored(self, rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
        return column_types.restored(rows, types)

    def explained(self, failure: Failure) -> EtlError:
        if driver_errors.waited_for_a_lock(failure):
            return LockedError(
                f"{self.place} is in use by another run, and did not become free within {self.lock_timeout:g} s "
                f"({failure.text}). Try again when it has ended, or wait longer with ?lock_timeout=... in "
                "ETL_WAREHOUSE_URL; sys.dm_tran_locks shows who holds the application lock etl_loads."
            )
        return driver_errors.explained(failure, self.place)


@compiles(statements.AddColumn, "mssql")
def _add_column(element: statements.AddColumn, compiler: DDLCompiler, **_: object) -> str:
    table = compiler.preparer.format_table(element.column.table)
    return f"ALTER TABLE {table} ADD {compiler.get_column_specification(element.column)}"


def _is_text(column: sa.ColumnElement[Any]) -> bool:
    return isinstance(column.type, sa.String)


def _bytes(column: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    return sa.func.DATALENGTH(column)


def _number(text: str, value: int) -> sa.ClauseElement:
    # Neither SET nor a batch takes a bound value: SQLAlchemy writes the number into the text.
    return sa.text(text).bindparams(sa.bindparam("value", value, sa.Integer, literal_execute=True))
