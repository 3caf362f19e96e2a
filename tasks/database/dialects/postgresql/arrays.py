"""Many rows for PostgreSQL in one statement: each column is one parameter, the text of an array."""

from collections.abc import Iterator
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine

_ROWS = 50_000  # at a time, at most
_BYTES = 16 * 1024 * 1024  # of the rows of a statement


def insert(table: sa.Table) -> sa.ClauseElement:
    """`INSERT ... SELECT ... FROM unnest(CAST(? AS ...[]), ...)`, a parameter for each column of the table."""
    names = [column.name for column in table.columns]
    arrays = [sa.cast(sa.bindparam(f"p{n}"), ARRAY(_element(column.type))) for n, column in enumerate(table.columns)]
    rows = sa.func.unnest(*arrays).table_valued(*names).render_derived()
    return sa.insert(table).from_select(names, sa.select(rows))


def literals(rows: pl.DataFrame) -> Iterator[list[str]]:
    """The parameters of `insert`, for so many rows at a time that they are not too large."""
    height = max(1, min(_ROWS, int(rows.height * _BYTES / max(1, rows.estimated_size()))))
    for part in rows.iter_slices(height):
        yield [_literal(column) for column in part.get_columns()]


def _element(of: TypeEngine[Any]) -> TypeEngine[Any]:
    # A cast to VARCHAR(n) would cut what is longer, without a word.
    return sa.TEXT() if isinstance(of, sa.String) else of


def _literal(column: pl.Series) -> str:
    values = _text(column).fill_null("NULL")
    return "{" + ",".join(values) + "}"


def _text(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, pl.String):
        return '"' + column.str.replace_all(r'(["\\])', r"\$1") + '"'
    if isinstance(dtype, pl.Binary):
        return r'"\\x' + column.bin.encode("hex") + '"'
    if isinstance(dtype, pl.Datetime):
        return (
            '"' + column.dt.to_string("%Y-%m-%d %H:%M:%S%.6f%:z" if dtype.time_zone else "%Y-%m-%d %H:%M:%S%.6f") + '"'
        )
    if isinstance(dtype, pl.Time):
        return column.dt.to_string("%H:%M:%S%.6f")
    return column.cast(pl.String)
