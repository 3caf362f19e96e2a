"""The SQL of a load, as SQLAlchemy expressions: identifiers are quoted and values bound by the library."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler

from tasks.errors import ConfigurationError
from tasks.load.dialects.dialect import Dialect

# Bound ones would be of no type to some stores.
_ONE: sa.ColumnElement[int] = sa.literal_column("1")
_ZERO: sa.ColumnElement[int] = sa.literal_column("0")


class AddColumn(ExecutableDDLElement):
    """ALTER TABLE ... ADD COLUMN, which SQLAlchemy leaves to Alembic."""

    inherit_cache = False

    def __init__(self, column: sa.Column[object]) -> None:
        self.column = column


@compiles(AddColumn)
def _add_column(element: AddColumn, compiler: DDLCompiler, **_: object) -> str:
    table = compiler.preparer.format_table(element.column.table)
    return f"ALTER TABLE {table} ADD COLUMN {compiler.get_column_specification(element.column)}"


def compiled(statement: sa.ClauseElement, dialect: Dialect) -> tuple[str, dict[str, object]]:
    """The SQL text, and its parameters by name in the order of their places in it."""
    options = {} if isinstance(statement, ExecutableDDLElement) else {"render_postcompile": True}
    result = statement.compile(dialect=dialect.sql, compile_kwargs=options)
    places = getattr(result, "positiontup", None) or ()
    return str(result), {f"{i}_{name}": result.params[name] for i, name in enumerate(places)}


def text(sql: str, parameters: Mapping[str, object]) -> sa.ClauseElement:
    """A query with `:name` parameters; a list or tuple is for `IN :name`. Raises ConfigurationError if names differ,
    and for no query at all."""
    if not sql.strip(" \t\r\n;"):
        raise ConfigurationError("The query is empty. Give a SELECT.")
    query = sa.text(sql)
    taken = query.compile().params.keys()
    if taken != parameters.keys():
        raise ConfigurationError(
            f"The query takes the parameters {sorted(taken)}, but was given {sorted(parameters)}. Give each one."
        )
    return query.bindparams(*(_parameter(name, value) for name, value in parameters.items()))


def key_of(table: sa.Table) -> list[str]:
    return [column.name for column in table.primary_key]


def values_of(table: sa.Table) -> list[str]:
    return [column.name for column in table.columns if not column.primary_key]


def count(table: sa.Table) -> sa.ClauseElement:
    return sa.select(sa.func.count()).select_from(table)


def any_row(table: sa.Table) -> sa.ClauseElement:
    """One row with 1 if the table has any, else no row."""
    return sa.select(_ONE).select_from(table).limit(1)


def same_key(target: sa.Table, staging: sa.Table, dialect: Dialect) -> sa.ColumnElement[bool]:
    return sa.and_(*(dialect.same(target.c[name], staging.c[name]) for name in key_of(target)))


def differing(target: sa.Table, staging: sa.Table, dialect: Dialect) -> sa.ColumnElement[bool]:
    """Whether any column outside the key differs."""
    return sa.or_(sa.false(), *(dialect.differs(target.c[name], staging.c[name]) for name in values_of(target)))


def compare(target: sa.Table, staging: sa.Table, dialect: Dialect) -> sa.ClauseElement:
    """One row: `matched`, the staged rows whose key the target has; `differing`, those of them with another value."""
    differs = sa.case((differing(target, staging, dialect), _ONE), else_=_ZERO)
    return sa.select(
        sa.func.count().label("matched"), sa.func.coalesce(sa.func.sum(differs), _ZERO).label("differing")
    ).select_from(staging.join(target, same_key(target, staging, dialect)))


def insert_from(target: sa.Table, staging: sa.Table) -> sa.ClauseElement:
    return sa.insert(target).from_select([c.name for c in staging.columns], sa.select(staging))


def delete_window(target: sa.Table, period: str, first: date, last: date) -> sa.ClauseElement:
    return sa.delete(target).where(target.c[period].between(first, last))


def _parameter(name: str, value: object) -> sa.BindParameter[Any]:
    # Some stores refuse a NULL of an unknown type: it is written into the text as the word.
    if value is None:
        return sa.bindparam(name, None, sa.types.NullType(), literal_execute=True)
    return sa.bindparam(name, value, expanding=isinstance(value, list | tuple))
