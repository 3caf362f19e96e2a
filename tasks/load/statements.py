"""The SQL of a load, as SQLAlchemy expressions: identifiers are quoted and values bound by the library."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from tasks.errors import ConfigurationError
from tasks.load.dialects.dialect import Dialect


def compiled(statement: sa.ClauseElement, dialect: Dialect) -> tuple[str, dict[str, object]]:
    """The SQL text, and its parameters by name in the order of their places in it."""
    options = {} if isinstance(statement, ExecutableDDLElement) else {"render_postcompile": True}
    result = statement.compile(dialect=dialect.sql, compile_kwargs=options)
    places = getattr(result, "positiontup", None) or ()
    return str(result), {f"{i}_{name}": result.params[name] for i, name in enumerate(places)}


def text(sql: str, parameters: Mapping[str, object]) -> sa.ClauseElement:
    """A query with `:name` parameters; a list or tuple is for `IN :name`. Raises ConfigurationError if names differ."""
    query = sa.text(sql)
    taken = query.compile().params.keys()
    if taken != parameters.keys():
        raise ConfigurationError(
            f"The query takes the parameters {sorted(taken)}, but was given {sorted(parameters)}. Give each one."
        )
    return query.bindparams(*(sa.bindparam(n, v, expanding=isinstance(v, list | tuple)) for n, v in parameters.items()))


def key_of(table: sa.Table) -> list[str]:
    return [column.name for column in table.primary_key]


def values_of(table: sa.Table) -> list[str]:
    return [column.name for column in table.columns if not column.primary_key]


def count(table: sa.Table) -> sa.ClauseElement:
    return sa.select(sa.func.count()).select_from(table)


def any_row(table: sa.Table) -> sa.ClauseElement:
    """One row with 1 if the table has any, else no row."""
    return sa.select(sa.literal(1)).select_from(table).limit(1)


def compare(target: sa.Table, staging: sa.Table) -> sa.ClauseElement:
    """One row: `matched`, the staged rows whose key the target has; `differing`, those of them with another value."""
    same_key = sa.and_(*(target.c[name] == staging.c[name] for name in key_of(target)))
    differs = sa.or_(sa.false(), *differing(target, staging.c))
    return sa.select(
        sa.func.count().label("matched"),
        sa.func.coalesce(sa.func.sum(sa.case((differs, 1), else_=0)), 0).label("differing"),
    ).select_from(staging.join(target, same_key))


def differing(target: sa.Table, other: ReadOnlyColumnCollection[str, Any]) -> list[sa.ColumnElement[bool]]:
    """For each column outside the key, whether it differs; two nulls are the same."""
    return [target.c[name].is_distinct_from(other[name]) for name in values_of(target)]


def insert_from(target: sa.Table, staging: sa.Table) -> sa.ClauseElement:
    return sa.insert(target).from_select([c.name for c in staging.columns], sa.select(staging))


def delete_window(target: sa.Table, period: str, first: date, last: date) -> sa.ClauseElement:
    return sa.delete(target).where(target.c[period].between(first, last))
