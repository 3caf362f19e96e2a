"""How SQLite keeps each type of a contract.

    strings, enums          TEXT
    integers                INTEGER; a UInt64 above 2^63 - 1 is refused
    floats                  REAL; infinities too; NaN is refused, for SQLite would make it NULL
    booleans                BOOLEAN: 0 or 1
    dates                   DATE: text, 2024-01-31
    timestamps with a zone  TIMESTAMP: text in UTC, 2024-01-31T09:30:00.000000Z
    timestamps without      TIMESTAMP: text, 2024-01-31T09:30:00.000000
    times                   TIME: text, 09:30:00.000000000
    decimals                TEXT with all their digits, for a number would be rounded to a float
    binary                  BLOB

Seconds have as many digits as the unit of the type, so texts sort as times do. Other types are refused.
"""

from collections.abc import Mapping
from typing import Any

import dataframely as dy
import polars as pl
import polars.selectors as cs
import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from tasks.database.dialects.refusal import no_type, refuse

_SECONDS = {"ms": "%S%.3f", "us": "%S%.6f", "ns": "%S%.9f"}
_TIME = "%H:%M:%S%.9f"
_TEXTUAL = (pl.String, pl.Enum, pl.Categorical)


def column_type(column: dy.Column) -> TypeEngine[Any]:
    dtype = column.dtype
    if isinstance(dtype, (*_TEXTUAL, pl.Decimal)):
        return sa.TEXT()
    if dtype.is_integer():
        return sa.INTEGER()
    if dtype.is_float():
        return sa.REAL()
    simple: dict[Any, TypeEngine[Any]] = {
        pl.Boolean: sa.BOOLEAN(),
        pl.Date: sa.DATE(),
        pl.Datetime: sa.TIMESTAMP(),
        pl.Time: sa.TIME(),
        pl.Binary: sa.BLOB(),
    }
    found = simple.get(dtype.base_type())
    if found is None:
        raise no_type("SQLite", column)
    return found


def kind(declared: str) -> str:
    """The affinity of a declared type where SQLite goes by it, else the name: sqlite.org/datatype3.html, 3.1."""
    name = declared.upper()
    if "INT" in name:
        return "INTEGER"
    if any(word in name for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in name:
        return "BLOB"
    if any(word in name for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return name


def stored(rows: pl.DataFrame) -> pl.DataFrame:
    """Raises ContractError for NaN and for integers that SQLite cannot hold."""
    refuse(rows, cs.float(), pl.all().is_nan(), "NaN, which SQLite turns into NULL. Make it null or a number.")
    refuse(
        rows,
        cs.by_dtype(pl.UInt64),
        pl.all() > 2**63 - 1,
        "integers above 2^63 - 1, the largest that SQLite holds. Keep them as text.",
    )
    return rows.with_columns(_stored(name, dtype) for name, dtype in rows.schema.items())


def _stored(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Date):
        return column.dt.to_string("%Y-%m-%d")
    if isinstance(dtype, pl.Datetime):
        utc = column.dt.convert_time_zone("UTC") if dtype.time_zone else column
        return utc.dt.to_string(_timestamp(dtype))
    if isinstance(dtype, pl.Time):
        return column.dt.to_string(_TIME)
    if isinstance(dtype, pl.Decimal | pl.Enum | pl.Categorical):
        return column.cast(pl.String)
    return column


def restored(rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    return rows.with_columns(_restored(name, dtype) for name, dtype in types.items() if name in rows.columns)


def _restored(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    text = column.cast(pl.String)  # a column of NULLs alone comes as integers
    if isinstance(dtype, pl.Date):
        return text.str.to_date("%Y-%m-%d")
    if isinstance(dtype, pl.Datetime):
        time = text.str.to_datetime(
            _timestamp(dtype), time_unit=dtype.time_unit, time_zone="UTC" if dtype.time_zone else None
        )
        return time.dt.convert_time_zone(dtype.time_zone) if dtype.time_zone else time
    if isinstance(dtype, pl.Time):
        return text.str.to_time(_TIME)
    if isinstance(dtype, pl.Decimal | pl.Enum | pl.Categorical | pl.Binary):
        return (column if isinstance(dtype, pl.Binary) else text).cast(dtype)
    return column.cast(dtype)


def _timestamp(dtype: pl.Datetime) -> str:
    return f"%Y-%m-%dT%H:%M:{_SECONDS[dtype.time_unit]}{'Z' if dtype.time_zone else ''}"
