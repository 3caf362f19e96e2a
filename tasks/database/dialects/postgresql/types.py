"""How PostgreSQL keeps each type of a contract.

    strings                 VARCHAR(n) where the contract has a max_length, else TEXT; a zero byte is refused
    enums                   TEXT
    integers                SMALLINT, INTEGER, BIGINT, whichever holds all values; UInt64 as NUMERIC(20, 0)
    floats                  REAL, DOUBLE PRECISION; NaN and infinities too
    booleans                BOOLEAN
    dates                   DATE
    timestamps with a zone  TIMESTAMP WITH TIME ZONE, which keeps the moment and not the zone
    timestamps without      TIMESTAMP WITHOUT TIME ZONE
    times                   TIME WITHOUT TIME ZONE
    decimals                NUMERIC(p, s)
    binary                  BYTEA

Anything finer than a microsecond is refused. Other types are refused.
"""

import re
from collections.abc import Mapping
from typing import Any

import dataframely as dy
import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from tasks.database.dialects.refusal import no_type, refuse_finer_than_microseconds, refuse_zero_bytes

_INTEGERS: Mapping[Any, tuple[TypeEngine[Any], Any]] = {
    pl.Int8: (sa.SMALLINT(), pl.Int16),
    pl.Int16: (sa.SMALLINT(), pl.Int16),
    pl.UInt8: (sa.SMALLINT(), pl.Int16),
    pl.Int32: (sa.INTEGER(), pl.Int32),
    pl.UInt16: (sa.INTEGER(), pl.Int32),
    pl.Int64: (sa.BIGINT(), pl.Int64),
    pl.UInt32: (sa.BIGINT(), pl.Int64),
    pl.UInt64: (sa.NUMERIC(20, 0), pl.Decimal(20, 0)),
}
_OTHERS: Mapping[Any, TypeEngine[Any]] = {
    pl.Enum: sa.TEXT(),
    pl.Categorical: sa.TEXT(),
    pl.Float32: sa.REAL(),
    pl.Float64: sa.DOUBLE_PRECISION(),
    pl.Boolean: sa.BOOLEAN(),
    pl.Date: sa.DATE(),
    pl.Time: sa.TIME(),
    pl.Binary: postgresql.BYTEA(),
}


def column_type(column: dy.Column) -> TypeEngine[Any]:
    dtype = column.dtype
    if isinstance(column, dy.String) and column.max_length is not None:
        return sa.VARCHAR(column.max_length)
    if isinstance(dtype, pl.String):
        return sa.TEXT()
    if isinstance(dtype, pl.Datetime):
        return sa.TIMESTAMP(timezone=dtype.time_zone is not None)
    if isinstance(dtype, pl.Decimal):
        return sa.NUMERIC(dtype.precision, dtype.scale)
    if dtype.base_type() in _INTEGERS:
        return _INTEGERS[dtype.base_type()][0]
    if dtype.base_type() not in _OTHERS:
        raise no_type("PostgreSQL", column)
    return _OTHERS[dtype.base_type()]


def same_type(declared: str, wanted: str) -> bool:
    """Text may be longer than the contract's. Numbers must be of the same type: COPY sends them as it is."""
    if _is_text(declared) and _is_text(wanted):
        return _length(declared) >= _length(wanted)
    return declared.replace(" ", "") == wanted.replace(" ", "")


def stored(rows: pl.DataFrame) -> pl.DataFrame:
    """Raises ContractError for text with a zero byte, and for times finer than a microsecond."""
    refuse_zero_bytes(rows, "PostgreSQL")
    refuse_finer_than_microseconds(rows, "PostgreSQL")
    return rows.with_columns(_stored(name, dtype) for name, dtype in rows.schema.items())


def restored(rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    return rows.with_columns(
        _restored(name, rows.schema[name], dtype) for name, dtype in types.items() if name in rows.columns
    )


def _stored(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        return (column.dt.convert_time_zone("UTC") if dtype.time_zone else column).dt.cast_time_unit("us")
    if isinstance(dtype, pl.Enum | pl.Categorical):
        return column.cast(pl.String)
    return column.cast(_INTEGERS[dtype.base_type()][1]) if dtype.base_type() in _INTEGERS else column


def _restored(name: str, found: pl.DataType, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime) and isinstance(found, pl.Datetime) and dtype.time_zone:
        # A driver that gives no zone gives the time in the session's, which is UTC.
        moment = column if found.time_zone else column.dt.replace_time_zone("UTC")
        return moment.dt.convert_time_zone(dtype.time_zone).dt.cast_time_unit(dtype.time_unit)
    if isinstance(dtype, pl.Time) and isinstance(found, pl.String):
        return column.str.to_time("%H:%M:%S%.f")
    return column.cast(dtype)


def _is_text(declared: str) -> bool:
    return declared.startswith(("VARCHAR", "TEXT"))


def _length(declared: str) -> float:
    found = re.search(r"\((\d+)\)", declared)
    return int(found[1]) if found else float("inf")
