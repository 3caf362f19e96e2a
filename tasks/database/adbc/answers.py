"""An answer as a driver hands it over, checked before it becomes a frame: what is in it can be written and read."""

from collections.abc import Callable, Sequence
from datetime import date

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from tasks.database.dialects.refusal import no_text, no_time, refuse_same_names, refuse_types

_POSTGRESQL_TYPE = b"POSTGRESQL:type"
# Their numbers come as others: money in hundredths, and what is above 2^31 below zero.
_OTHER_NUMBERS = (b"money", b"oid", b"regproc")
_AS_TEXT = ("arrow.json", "numeric")  # of the types that Arrow does not have
_SIMPLE: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_timestamp,
)
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # in a second
_DAY = 24 * 60 * 60  # seconds
_FIRST, _LAST = (day.toordinal() - date(1970, 1, 1).toordinal() for day in (date.min, date.max))


def check_types(schema: pa.Schema) -> None:
    """Raises ConfigurationError for columns that cannot be told apart, and for types that do not come as they are."""
    refuse_same_names(schema.names)
    refuse_types({field.name: _called(field) for field in schema if not _comes_right(field)})


def frame(answer: pa.RecordBatch | pa.Table) -> pl.DataFrame:
    """Raises ContractError for text that is not UTF-8, and for dates and times that no other program could read."""
    for field, column in zip(answer.schema, answer.columns, strict=True):
        _check_range(field, column)
        _check_text(field.name, column)
    rows = pl.DataFrame(answer)
    # What has no type in Arrow, such as PostgreSQL's NUMERIC, comes as text with a mark on it.
    marked = [name for name, dtype in rows.schema.items() if isinstance(dtype, pl.datatypes.BaseExtension)]
    return rows.with_columns(pl.col(name).ext.storage() for name in marked)


def _comes_right(field: pa.Field) -> bool:
    if (field.metadata or {}).get(_POSTGRESQL_TYPE) in _OTHER_NUMBERS:
        return False
    if isinstance(field.type, pa.BaseExtensionType):
        return (getattr(field.type, "type_name", None) or field.type.extension_name) in _AS_TEXT
    return any(is_such(field.type) for is_such in _SIMPLE)


def _called(field: pa.Field) -> str:
    return str((field.metadata or {}).get(_POSTGRESQL_TYPE, b"").decode() or field.type)


def _check_text(name: str, column: pa.Array) -> None:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        raise no_text(name, error) from error


def _check_range(field: pa.Field, column: pa.Array) -> None:
    limits = _limits(field.type)
    if limits is None:
        return
    width = pa.int32() if field.type.bit_width == 32 else pa.int64()
    found = pc.min_max(column.cast(width))
    least, most = found["min"].as_py(), found["max"].as_py()
    if least is not None and not (limits[0] <= least and most <= limits[1]):
        raise no_time(field.name, _called(field))


def _limits(dtype: pa.DataType) -> Sequence[int] | None:
    """The least and the greatest number that stands for a time of the type."""
    if pa.types.is_date32(dtype):
        return (_FIRST, _LAST)
    if pa.types.is_date64(dtype):
        return (_FIRST * _DAY * 1000, _LAST * _DAY * 1000)
    if pa.types.is_time(dtype):
        return (0, _DAY * _UNITS[dtype.unit] - 1)
    if pa.types.is_timestamp(dtype):
        return (_FIRST * _DAY * _UNITS[dtype.unit], (_LAST + 1) * _DAY * _UNITS[dtype.unit] - 1)
    return None
