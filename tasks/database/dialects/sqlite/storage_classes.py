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


def typed(query: Query, answers: Answers) -> sa.ClauseElement:
    """The query with a first row of its types. Raises ConfigurationError for a column whose values have several."""
    answer = (query.columns() if isinstance(query, sa.TextClause) else query).subquery("answer")
    with closing(answers(query, 1)) as itself:  # inside parentheses, columns of one name get others
        names = next(itself).columns
    columns: list[sa.ColumnElement[Any]] = [sa.column(sa.sql.quoted_name(name, quote=True)) for name in names]
    classes = sa.select(*(part for column in columns for part in _classes(column))).select_from(answer)
    found = pl.concat(answers(classes, 1)).row(0)
    examples = [_example(name, *found[3 * i : 3 * i + 3]) for i, name in enumerate(names)]
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
    return [sa.func.min(of_value), sa.func.max(of_value), sa.func.count(sa.case((large, _number(1))))]


def _number(value: int) -> sa.ColumnElement[int]:
    return sa.literal_column(str(value))


def _example(name: str, first: str | None, last: str | None, large: int) -> str:
    example = _EXAMPLES.get((first, last))
    if example is None or (first != last and large):
        raise ConfigurationError(
            f"The column {name} of the answer has values of several types in SQLite, from {first} to {last}. Make them "
            f"one in the query: CAST({name} AS TEXT), or CAST({name} AS REAL) where all are numbers."
        )
    return example
