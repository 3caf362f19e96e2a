"""Rows into a table inside the open transaction, each way with its counts reconciled; and what is removed of loads that
died, where a store does not undo that by itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
import sqlalchemy as sa
from sqlalchemy.schema import CreateTable, DropTable

from tasks.database.connection import Connection, scalar
from tasks.database.dialects import statements
from tasks.database.dialects.dialect import Dialect
from tasks.database.dialects.staging_names import STAGING, is_private
from tasks.errors import ContractError
from tasks.load.load_result import LoadResult
from tasks.window import Window


def ingest(connection: Connection, target: sa.Table, rows: pl.DataFrame) -> LoadResult:
    """Straight into the target, which must not have these rows yet."""
    written = connection.ingest(target, rows)
    _agree(target.name, read=rows.height, affected=written)
    return LoadResult(inserted=written)


def append(connection: Connection, target: sa.Table, rows: pl.DataFrame) -> LoadResult:
    with _staged(connection, target, rows) as staging:
        inserted = connection.execute(
            sa.insert(target).from_select([c.name for c in staging.columns], sa.select(staging))
        )
    _agree(target.name, read=rows.height, affected=inserted)
    return LoadResult(inserted=inserted)


def upsert(connection: Connection, target: sa.Table, rows: pl.DataFrame) -> LoadResult:
    with _staged(connection, target, rows) as staging:
        matched, differing = map(int, connection.fetch(_compare(target, staging, connection.dialect)).row(0))
        merge = connection.dialect.upsert(target, staging)
        affected = sum(connection.execute(statement) for statement in merge)
    inserted = rows.height - matched
    _agree(target.name, to_insert_or_update=inserted + differing, affected=affected)
    return LoadResult(inserted=inserted, updated=differing, unchanged=matched - differing)


def delete(connection: Connection, target: sa.Table, keys: pl.DataFrame) -> LoadResult:
    """Deletes the rows with these keys. Those that are gone already are no error."""
    with _staged(connection, target, keys) as staging:
        deleted = connection.execute(connection.dialect.delete(target, staging))
    if deleted > keys.height:
        raise ContractError(
            f"Deleting {keys.height} keys from {target.name} took {deleted} rows: the key is not unique. "
            "Nothing was loaded. Check the primary key of the table."
        )
    return LoadResult(deleted=deleted)


def delete_window(connection: Connection, target: sa.Table, period: str, window: Window) -> LoadResult:
    """Deletes the rows whose period is in the window."""
    due = sa.delete(target).where(target.c[period].between(window.first, window.last))
    return LoadResult(deleted=connection.execute(due))


def remove_abandoned_staging(connection: Connection) -> list[str]:
    """Drops staging tables with names of their own, and returns these names.

    Inside a transaction for writing, in which no load is: so none of them is in use."""
    names = connection.fetch(connection.dialect.tables).to_series().to_list()
    found = sorted(filter(is_private, names))
    for name in found:
        connection.execute(DropTable(sa.Table(name, sa.MetaData())))
    return found


@contextmanager
def _staged(connection: Connection, target: sa.Table, rows: pl.DataFrame) -> Iterator[sa.Table]:
    columns = [sa.Column(name, target.c[name].type) for name in rows.columns]
    staging = connection.dialect.staging(f"{STAGING}{target.name}", columns)
    connection.execute(CreateTable(staging))
    written = connection.ingest(staging, rows)
    # Counted in the store: an ingest has been seen to drop rows silently (apache/arrow-adbc#1847).
    staged = scalar(connection, statements.count(staging))
    _agree(staging.name, read=rows.height, written=written, staged=staged)
    yield staging
    connection.execute(DropTable(staging))  # after a failure the rollback does it


def _compare(target: sa.Table, staging: sa.Table, dialect: Dialect) -> sa.ClauseElement:
    """One row: `matched`, the staged rows whose key the target has; `differing`, those of them with another value."""
    differs = sa.case((statements.differing(target, staging, dialect), statements.ONE), else_=sa.literal_column("0"))
    return sa.select(
        sa.func.count().label("matched"),
        sa.func.coalesce(sa.func.sum(differs), sa.literal_column("0")).label("differing"),
    ).select_from(staging.join(target, statements.same_key(target, staging, dialect)))


def _agree(table: str, **counts: int) -> None:
    if len(set(counts.values())) > 1:
        numbers = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in counts.items())
        raise ContractError(
            f"The row counts of {table} do not agree: {numbers}. Nothing was loaded. Run the load again; if it stays, "
            "look for triggers on the table, or a fault of the driver."
        )
