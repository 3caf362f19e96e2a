"""The types of an answer of SQLite, where a column has none: each value brings its own.

Drivers take a column's type from the first rows. A number becomes text where another value is one, and text that comes
after NULLs is an error. So the answer is gone through once before, inside SQLite, and then begins with a row of the
types that were found, which is to be left out.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import polars as pl
import sqlalchemy as sa

from tasks.database.dialects.dialect import Answers, Query
from tasks.errors import ConfigurationError

_EXAMPLES: Mapping[tuple[str | None, str | None], str] = {  # by the first and the last storage class of a column
    ("integer", "integer"): "0",
    ("integer", "real"): "0.0",
    ("real", "real"): "0.0",
    ("text", "text"): "''",
    ("blob", "blob"): "x''",
    (None, None): "''",  # only NULLs, or no row: nobody can know
}
_EXACT = 2**53  # a float has every whole number up to here


def typed(query: Query, answers: Answers, *, through_odbc: bool) -> sa.ClauseElement:
    """The query with a first row of its types. Raises ConfigurationError for a column whose values have several, or
    such as the ODBC driver cuts off: numbers after 15 digits, and text at a zero byte."""
    answer = (query.columns() if isinstance(query, sa.TextClause) else query).subquery("answer")
    with closing(answers(query, 1)) as itself:  # inside parentheses, columns of one name get others
        names = next(itself).columns
    columns: list[sa.ColumnElement[Any]] = [sa.column(sa.sql.quoted_name(name, quote=True)) for name in names]
    classes = sa.select(*(part for column in columns for part in _classes(column))).select_from(answer)
    found = pl.concat(answers(classes, 1)).row(0)
    facts = [found[4 * i : 4 * i + 4] for i in range(len(names))]
    if through_odbc:
        _refuse_cut([name for name, (*_, cut) in zip(names, facts, strict=True) if cut])
    examples = [_example(name, *of_column[:3]) for name, of_column in zip(names, facts, strict=True)]
    values: list[sa.ColumnElement[Any]] = [
        sa.literal_column(text).label(column.key) for text, column in zip(examples, columns, strict=True)
    ]
    first: sa.Select[Any] = sa.select(*values)
    return sa.union_all(first, sa.select(*columns).select_from(answer))


def _classes(column: sa.ColumnElement[Any]) -> Sequence[sa.ColumnElement[Any]]:
    kind = sa.func.typeof(column)
    of_value = sa.func.nullif(kind, sa.literal_column("'null'"))
    is_exact = column.between(_number(-_EXACT), _number(_EXACT))
    large = sa.and_(kind == sa.literal_column("'integer'"), sa.not_(is_exact))
    short = sa.cast(sa.func.printf(sa.literal_column("'%!.15g'"), column), sa.REAL)
    cut = sa.or_(
        sa.and_(kind == sa.literal_column("'real'"), short != column),
        sa.and_(kind == sa.literal_column("'text'"), sa.func.instr(column, sa.literal_column("char(0)")) > _number(0)),
    )
    counts = [sa.func.count(sa.case((wrong, _number(1)))) for wrong in (large, cut)]
    return [sa.func.min(of_value), sa.func.max(of_value), *counts]


def _number(value: int) -> sa.ColumnElement[int]:
    return sa.literal_column(str(value))


def _refuse_cut(names: Sequence[str]) -> None:
    if names:
        raise ConfigurationError(
            f"The column {names[0]} of the answer has numbers of more than 15 digits, or text with a zero byte, which "
            f"the ODBC driver of SQLite cuts off. Read it with printf('%.17g', {names[0]}) or CAST({names[0]} AS "
            "BLOB), or without ODBC, by sqlite:///."
        )


def _example(name: str, first: str | None, last: str | None, large: int) -> str:
    example = _EXAMPLES.get((first, last))
    if example is None or (first != last and large):
        raise ConfigurationError(
            f"The column {name} of the answer has values of several types in SQLite, from {first} to {last}. Make them "
            f"one in the query: CAST({name} AS TEXT), or CAST({name} AS REAL) where all are numbers."
        )
    return example
