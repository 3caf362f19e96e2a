"""SQL tables made from contracts, and the comparison of a table that exists with its contract."""

from collections.abc import Mapping
from dataclasses import dataclass

import dataframely as dy
import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint, CreateTable

from tasks.database.connection import Connection
from tasks.database.dialects.dialect import Dialect
from tasks.database.dialects.statements import AddColumn
from tasks.errors import ContractError


@dataclass(frozen=True)
class Found:
    """A column of a table that exists."""

    name: str
    type: str
    required: bool
    has_default: bool
    key: int  # its place in the primary key, from 1; 0: not in it


def ensure(
    connection: Connection, name: str, columns: Mapping[str, dy.Column], *, key_later: bool = False
) -> tuple[sa.Table, bool]:
    """The table of a contract, and whether it was made just now; with `key_later`, a new one still has no primary key.

    A new nullable column of the contract is added to a table that exists. Columns that only the table has are left
    alone as long as they take NULL or a default. Anything else that differs raises ContractError.
    """
    table = table_of(name, columns, connection.dialect)
    found = described(connection, name)
    if not found:
        made = _without_key(table) if key_later else table
        connection.execute(CreateTable(made))
        return table, True
    for column in missing_columns(table, found, connection.dialect):
        connection.execute(AddColumn(column))
    return table, False


def add_key(connection: Connection, table: sa.Table) -> None:
    """Gives a table that was made without a key its primary key. Raises ContractError if two rows have the same."""
    connection.execute(AddConstraint(table.primary_key))


def table_of(name: str, columns: Mapping[str, dy.Column], dialect: Dialect) -> sa.Table:
    options = dialect.table_options([column for column in columns.values() if column.primary_key])
    return sa.Table(
        name,
        sa.MetaData(),
        *(
            sa.Column(
                n,
                dialect.column_type(column),
                primary_key=column.primary_key,
                nullable=column.nullable,
                autoincrement=False,
            )
            for n, column in columns.items()
        ),
        **options,
    )


def _without_key(table: sa.Table) -> sa.Table:
    columns = (sa.Column(c.name, c.type, nullable=c.nullable) for c in table.columns)
    return sa.Table(table.name, sa.MetaData(), *columns)


def described(connection: Connection, name: str) -> dict[str, Found]:
    """The columns of a table by name; empty if there is no such table."""
    rows = connection.fetch(connection.dialect.describe(name)).iter_rows(named=True)
    return {r["name"]: Found(r["name"], r["type"], bool(r["required"]), bool(r["has_default"]), r["key"]) for r in rows}


def missing_columns(table: sa.Table, found: Mapping[str, Found], dialect: Dialect) -> list[sa.Column[object]]:
    """The nullable columns to add. Raises ContractError that lists every other difference."""
    differences = [*_key_differs(table, found)]
    missing = []
    for column in table.columns:
        if column.name in found:
            differences += _column_differs(column, found[column.name], dialect)
        elif column.nullable:
            missing.append(column)
        else:
            differences.append(f"column {column.name} is missing and may not be null")
    differences += [
        f"column {f.name} is not in the contract, and takes neither NULL nor a default"
        for f in found.values()
        if f.name not in table.columns and f.required and not f.has_default
    ]
    if differences:
        raise ContractError(
            f"Table {table.name} in {dialect.place} differs from its contract: {'; '.join(differences)}. Alter the "
            "table, or rename or drop it: it is then made anew and loaded whole from the lake."
        )
    return missing


def _key_differs(table: sa.Table, found: Mapping[str, Found]) -> list[str]:
    wanted = [column.name for column in table.primary_key]
    have = [f.name for f in sorted(found.values(), key=lambda f: f.key) if f.key]
    return [] if have == wanted else [f"the primary key is {have}, the contract says {wanted}"]


def _column_differs(column: sa.Column[object], found: Found, dialect: Dialect) -> list[str]:
    wanted = column.type.compile(dialect=dialect.sql)
    differences = []
    if not dialect.same_type(found.type, wanted):
        differences.append(f"column {column.name} is {found.type or 'untyped'}, the contract says {wanted}")
    if found.required == column.nullable:
        have, says = ("NOT NULL", "nullable") if found.required else ("nullable", "NOT NULL")
        differences.append(f"column {column.name} is {have}, the contract says {says}")
    return differences
