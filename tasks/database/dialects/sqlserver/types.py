"""How SQL Server and Azure SQL keep each type of a contract.

    strings, enums          NVARCHAR(n) where the contract has a max_length of up to 4000, else NVARCHAR(MAX)
    integers                TINYINT, SMALLINT, INTEGER, BIGINT, whichever holds all values; UInt64 as DECIMAL(20, 0)
    floats                  REAL, FLOAT(53); NaN, infinities and subnormal numbers are refused, for it has none of them
    booleans                BIT
    dates                   DATE
    timestamps with a zone  DATETIMEOFFSET(6), in UTC; a query gives them as text, 2024-01-31 09:30:00.000000+00:00
    timestamps without      DATETIME2(6)
    times                   TIME(6)
    decimals                DECIMAL(p, s)
    binary                  VARBINARY(MAX)

Text in a key has a binary collation: in the collations that databases usually have, `a` and `A` are the same key, and
a load would take one row for the other. A key is at most 900 bytes, two for each character, or the index refuses rows.
Anything finer than a microsecond is refused, and dates outside the years 1 to 9999. Other types are refused.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from math import inf
from typing import Any

import dataframely as dy
import polars as pl
import polars.selectors as cs
import sqlalchemy as sa
from sqlalchemy.dialects import mssql
from sqlalchemy.types import TypeEngine

from tasks.database.dialects.refusal import no_type, refuse, refuse_finer_than_microseconds, refuse_zero_bytes
from tasks.errors import ContractError

MOMENT: TypeEngine[Any] = mssql.DATETIMEOFFSET(6)  # type: ignore[no-untyped-call]
LOCAL_TIME: TypeEngine[Any] = mssql.DATETIME2(6)  # type: ignore[no-untyped-call]

_MOMENT = "%Y-%m-%d %H:%M:%S%.6f%:z"
_LONGEST = 4000  # characters of an NVARCHAR with a length
_LARGEST_KEY = 900  # bytes
_ENUM = 100  # characters, so that a longer name among them is no other type

_NAMES = {"INT": "INTEGER", "NUMERIC": "DECIMAL"}
_ALIASES = re.compile(r"^(INT|NUMERIC)\b")

_NUMBERS: Mapping[Any, tuple[TypeEngine[Any], int]] = {  # with their bytes in a key
    pl.Int8: (sa.SMALLINT(), 2),
    pl.UInt8: (mssql.TINYINT(), 1),
    pl.Int16: (sa.SMALLINT(), 2),
    pl.UInt16: (sa.INTEGER(), 4),
    pl.Int32: (sa.INTEGER(), 4),
    pl.UInt32: (sa.BIGINT(), 8),
    pl.Int64: (sa.BIGINT(), 8),
    pl.UInt64: (sa.DECIMAL(20, 0), 13),
    pl.Float32: (sa.REAL(), 4),
    pl.Float64: (sa.FLOAT(53), 8),
    pl.Boolean: (mssql.BIT(), 1),
    pl.Date: (sa.DATE(), 3),
    pl.Time: (mssql.TIME(6), 5),  # type: ignore[no-untyped-call]
}


def column_type(column: dy.Column, collation: str) -> TypeEngine[Any]:
    dtype = column.dtype
    if isinstance(dtype, pl.String | pl.Enum | pl.Categorical):
        return sa.NVARCHAR(_length(column), collation=collation if column.primary_key else None)
    if isinstance(dtype, pl.Datetime):
        return MOMENT if dtype.time_zone else LOCAL_TIME
    if isinstance(dtype, pl.Decimal):
        return sa.DECIMAL(dtype.precision, dtype.scale)
    if isinstance(dtype, pl.Binary):
        return mssql.VARBINARY("max")  # type: ignore[no-untyped-call]
    if dtype.base_type() not in _NUMBERS:
        raise no_type("SQL Server", column)
    return _NUMBERS[dtype.base_type()][0]


def check_key(key: Sequence[dy.Column]) -> None:
    """Raises ContractError for a primary key that no index takes."""
    sizes = {column.name: _key_bytes(column) for column in key}
    if sum(sizes.values()) > _LARGEST_KEY:
        said = ", ".join(f"{name} {f'{size:g}' if size < inf else 'without a limit'}" for name, size in sizes.items())
        raise ContractError(
            f"SQL Server takes no key of more than {_LARGEST_KEY} bytes, and this one may have more ({said}). Give its "
            "strings a smaller max_length in tasks/datasets.py; each character takes two bytes."
        )


def same_type(declared: str, wanted: str) -> bool:
    """Text may be longer than the contract's. Where the server tells no collation, it is taken for the right one."""
    have, _, collation = declared.upper().partition(" COLLATE ")
    want, _, wanted_collation = wanted.upper().partition(" COLLATE ")
    if collation and wanted_collation and collation != wanted_collation:
        return False
    if have.startswith("NVARCHAR") and want.startswith("NVARCHAR"):
        return _declared_length(have) >= _declared_length(want)
    return _ALIASES.sub(lambda found: _NAMES[found[0]], have).replace(" ", "") == want.replace(" ", "")


def stored(rows: pl.DataFrame) -> pl.DataFrame:
    """Raises ContractError for values that SQL Server does not have."""
    not_finite = ~pl.all().is_finite()
    refuse(rows, cs.float(), not_finite, "NaN or infinite, which SQL Server does not have. Make them null or numbers.")
    for columns, smallest in ((cs.float() - cs.by_dtype(pl.Float32), 2.0**-1022), (cs.by_dtype(pl.Float32), 2.0**-126)):
        subnormal = (pl.all() != 0) & (pl.all().abs() < smallest)
        refuse(rows, columns, subnormal, "so small that SQL Server does not have them. Make them zero.")
    refuse(
        rows,
        cs.date() | cs.datetime(),
        ~pl.all().dt.year().is_between(date.min.year, date.max.year),
        "not in the years 1 to 9999, the only ones that SQL Server has. Correct them.",
    )
    refuse_zero_bytes(rows, "SQL Server")
    refuse_finer_than_microseconds(rows, "SQL Server")
    return rows.with_columns(
        (cs.enum() | cs.categorical()).cast(pl.String),
        cs.datetime().dt.cast_time_unit("us"),
        cs.by_dtype(pl.UInt64).cast(pl.Decimal(20, 0)),
    )


def restored(rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    return rows.with_columns(
        _restored(name, rows.schema[name], dtype) for name, dtype in types.items() if name in rows.columns
    )


def _restored(name: str, found: pl.DataType, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime) and isinstance(found, pl.String):
        column, found = column.str.to_datetime(_MOMENT, time_unit="us"), pl.Datetime("us", "UTC")
    if isinstance(dtype, pl.Datetime) and isinstance(found, pl.Datetime) and dtype.time_zone:
        moment = column if found.time_zone else column.dt.replace_time_zone("UTC")
        return moment.dt.convert_time_zone(dtype.time_zone).dt.cast_time_unit(dtype.time_unit)
    return column.cast(dtype)


def _length(column: dy.Column) -> int | None:
    if isinstance(column, dy.String):
        length = column.max_length
    else:
        length = max([_ENUM, *(len(name) for name in getattr(column, "categories", []))])
    return length if length is not None and length <= _LONGEST else None


def _key_bytes(column: dy.Column) -> float:
    dtype = column.dtype
    if isinstance(dtype, pl.String | pl.Enum | pl.Categorical):
        length = _length(column)
        return inf if length is None else 2 * length
    if isinstance(dtype, pl.Datetime):
        return 10
    if isinstance(dtype, pl.Decimal):
        return 17
    return _NUMBERS.get(dtype.base_type(), (None, inf))[1]


def _declared_length(declared: str) -> float:
    length = declared.partition("(")[2].rstrip(")")
    return int(length) if length.isdigit() else inf
