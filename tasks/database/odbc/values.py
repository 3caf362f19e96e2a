"""Values on their way through ODBC, which has no Arrow: a Python object each."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import polars as pl
import polars.selectors as cs
import pyodbc

from tasks.database.dialects.refusal import no_text, refuse_same_names, refuse_zero_bytes

Size = tuple[int, int, int]  # of a parameter: its SQL type, its length or precision, its scale

_MOMENT = "%Y-%m-%d %H:%M:%S%.6f+00:00"
_TIME = "%H:%M:%S%.6f"
_ROWS = 10_000  # at a time, at most
_BYTES = 64 * 1024 * 1024  # of the buffers of so many rows, in which each value takes as much as the longest
_LONGEST = {pyodbc.SQL_WVARCHAR: 4000, pyodbc.SQL_VARBINARY: 8000}  # what is longer is announced with size 0

_TYPES: dict[type, pl.DataType] = {
    bool: pl.Boolean(),
    int: pl.Int64(),
    float: pl.Float64(),
    date: pl.Date(),
    datetime: pl.Datetime("us"),
    time: pl.Time(),
    bytearray: pl.Binary(),
    bytes: pl.Binary(),
}
_SIZES: dict[Any, Size] = {
    pl.Boolean: (pyodbc.SQL_BIT, 1, 0),
    pl.Float64: (pyodbc.SQL_DOUBLE, 15, 0),
    pl.Date: (pyodbc.SQL_TYPE_DATE, 10, 0),
    pl.Datetime: (pyodbc.SQL_TYPE_TIMESTAMP, 26, 6),
}


def sent(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows as ODBC takes them: moments and times as text, for its own types have neither zone nor fractions.

    Raises ContractError for text with a zero byte, at which drivers end it without a word.
    """
    refuse_zero_bytes(rows, "ODBC")
    return rows.with_columns(
        cs.datetime(time_zone="*").dt.convert_time_zone("UTC").dt.to_string(_MOMENT),
        cs.time().dt.to_string(_TIME),
        cs.float().cast(pl.Float64),
    )


def sent_as_text(dtype: pl.DataType) -> bool:
    """Whether `sent` makes text of it."""
    return isinstance(dtype, pl.Time) or (isinstance(dtype, pl.Datetime) and dtype.time_zone is not None)


def slices(rows: pl.DataFrame) -> Iterator[tuple[list[Size], list[tuple[Any, ...]]]]:
    """Rows in pieces whose buffers stay small, each with the sizes of its parameters."""
    for piece in rows.iter_slices(_ROWS):
        width = sum(4 * _longest(column) for column in piece.get_columns())
        for part in piece.iter_slices(max(1, _BYTES // width)):
            yield [_size(column) for column in part.get_columns()], part.rows()


def frame(rows: Sequence[Sequence[Any]], description: Sequence[Sequence[Any]]) -> pl.DataFrame:
    """The rows of an answer, of the types of its columns, also where there are only NULLs or no row."""
    names = [str(column[0]) or f"column_{number}" for number, column in enumerate(description, 1)]
    refuse_same_names(names)
    types = [_dtype(column) for column in description]
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return pl.DataFrame([_series(*column) for column in zip(names, columns, types, strict=True)])


def _series(name: str, values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    """Text may come as bytes, by a converter. Raises ContractError for such that are not UTF-8."""
    if dtype != pl.String or not any(isinstance(value, bytes) for value in values):
        return pl.Series(name, values, dtype)
    try:
        return pl.Series(name, values, pl.Binary).cast(dtype)
    except pl.exceptions.PolarsError as error:
        raise no_text(name, "bytes that are no text") from error


def _dtype(column: Sequence[Any]) -> pl.DataType:
    """The type of a column, as a cursor describes it: name, Python type, ..., precision, scale, nullable."""
    if column[1] is Decimal:
        return pl.Decimal(min(column[4], 38), column[5])
    return _TYPES.get(column[1], pl.String())


def _size(column: pl.Series) -> Size:
    if column.dtype.is_integer():
        return (pyodbc.SQL_BIGINT, 19, 0)
    if isinstance(column.dtype, pl.Decimal):
        return (pyodbc.SQL_DECIMAL, column.dtype.precision, column.dtype.scale)
    if column.dtype.base_type() in _SIZES:
        return _SIZES[column.dtype.base_type()]
    kind = pyodbc.SQL_VARBINARY if isinstance(column.dtype, pl.Binary) else pyodbc.SQL_WVARCHAR
    length = _longest(column)
    return (kind, length if length <= _LONGEST[kind] else 0, 0)


def _longest(column: pl.Series) -> int:
    """The length in bytes, which for text are never fewer than its UTF-16 units."""
    if isinstance(column.dtype, pl.String):
        lengths = column.str.len_bytes()
    elif isinstance(column.dtype, pl.Binary):
        lengths = column.bin.size()
    else:
        return 16
    return max(1, int(lengths.max() or 1))  # type: ignore[arg-type]
