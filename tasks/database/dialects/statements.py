"""SQL that dialects and loads share, as SQLAlchemy expressions: the library quotes identifiers and binds values."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler

from tasks.database.dialects.dialect import Cursor, Dialect
from tasks.database.dialects.query_text import one_statement
from tasks.errors import ConfigurationError

# A bound one would be of no type to some stores.
ONE: sa.ColumnElement[int] = sa.literal_column("1")


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


def text(sql: str, parameters: Mapping[str, object], dialect: Dialect) -> sa.TextClause:
    """A query with `:name` parameters; a list or tuple is for `IN :name`. Raises ConfigurationError if names differ,
    for no query at all, for more than one, and for what would change anything."""
    single = one_statement(sql, marks=dialect.sql.paramstyle == "qmark")
    dialect.require_reading(single.replace(r"\:", ":"))
    query = sa.text(single)
    taken = query.compile().params.keys()
    if taken != parameters.keys():
        raise ConfigurationError(
            f"The query takes the parameters {sorted(taken)}, but was given {sorted(parameters)}. Give each one."
        )
    return query.bindparams(*(_parameter(name, value) for name, value in parameters.items()))


def bound(value: Cursor) -> sa.BindParameter[Any]:
    """A value to compare a column with. Blanks at its end are left out: some types have none, and texts with more of
    them are not lesser."""
    return sa.bindparam(None, value.rstrip(" ") if isinstance(value, str) else value, _type_of(value))


def key_of(table: sa.Table) -> list[str]:
    return [column.name for column in table.primary_key]


def values_of(table: sa.Table) -> list[str]:
    return [column.name for column in table.columns if not column.primary_key]


def count(table: sa.Table) -> sa.ClauseElement:
    return sa.select(sa.func.count()).select_from(table)


def any_row(table: sa.Table) -> sa.ClauseElement:
    """One row with 1 if the table has any, else no row."""
    return sa.select(ONE).select_from(table).limit(1)


def same_key(target: sa.Table, staging: sa.Table, dialect: Dialect) -> sa.ColumnElement[bool]:
    return sa.and_(*(dialect.same(target.c[name], staging.c[name]) for name in key_of(target)))


def differing(target: sa.Table, staging: sa.Table, dialect: Dialect) -> sa.ColumnElement[bool]:
    """Whether any column outside the key differs."""
    return sa.or_(sa.false(), *(dialect.differs(target.c[name], staging.c[name]) for name in values_of(target)))


def _parameter(name: str, value: object) -> sa.BindParameter[Any]:
    # Some stores refuse a NULL of an unknown type: it is written into the text as the word.
    if value is None:
        return sa.bindparam(name, None, sa.types.NullType(), literal_execute=True)
    if isinstance(value, list | tuple):
        return sa.bindparam(name, value, _type_of(next(iter(value), None)), expanding=True)
    return sa.bindparam(name, value, _type_of(value))


def _type_of(value: object) -> sa.types.TypeEngine[Any] | None:
    """None: as SQLAlchemy has it, which for a whole number is a type that ends at 2^31."""
    return sa.BigInteger() if isinstance(value, int) and not isinstance(value, bool) else None
