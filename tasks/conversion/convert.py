"""Values of any type in any other."""

import polars as pl

from tasks.conversion.cells import nothing, where, whole
from tasks.conversion.days import to_days
from tasks.conversion.numbers import to_number
from tasks.conversion.reading import Reading

_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_TIME = r"^\d\d:\d\d:[0-5]\d(\.\d{1,9}0*)?$"


def converted(column: pl.Series, dtype: pl.DataType, reading: Reading) -> pl.Series:  # noqa: PLR0911
    """The values in this type, null where it does not hold one wholly.

    Text is what is written in it: a number, a truth (true, false, t, f, 1, 0), a date or time. Bytes are text in UTF-8,
    but not numbers; 1 and 0 are truths, but truths no numbers. Lists, structs and Python's objects stay as they are or
    are nothing."""
    if isinstance(dtype, pl.Date | pl.Datetime):
        return to_days(column, dtype, reading)
    if column.dtype == dtype:
        return column
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    if dtype.is_numeric():
        return to_number(column, dtype)
    if isinstance(dtype, pl.String):
        return _to_text(column)
    if column.dtype == pl.String:
        return _from_text(column, dtype)
    if isinstance(dtype, pl.Boolean) and column.dtype.is_numeric():
        return where((column == 0) | (column == 1), column == 1)
    if column.dtype.base_type() == dtype.base_type() and not dtype.is_nested():
        return whole(column, dtype)
    return nothing(column, dtype)


def as_text(column: pl.Series) -> pl.Series:
    """Each value in words, for people: whatever it is, and whatever is lost."""
    if column.dtype.is_nested() or isinstance(column.dtype, pl.Binary | pl.Object | pl.Duration):
        return pl.Series(column.name, [None if value is None else str(value) for value in column], pl.String)
    return column.cast(pl.String)


def _from_text(text: pl.Series, dtype: pl.DataType) -> pl.Series:
    if isinstance(dtype, pl.Boolean):
        known = text.str.strip_chars().str.to_lowercase()
        return known.replace_strict(_BOOLEANS, default=None, return_dtype=pl.Boolean)
    if isinstance(dtype, pl.Time):
        text = text.str.strip_chars()
        return where(text.str.contains(_TIME), text).str.to_time("%H:%M:%S%.f", strict=False)
    if isinstance(dtype, pl.Binary | pl.Categorical | pl.Enum):
        return text.cast(dtype, strict=False)
    return nothing(text, dtype)


def _to_text(column: pl.Series) -> pl.Series:
    found = column.dtype
    if isinstance(found, pl.Date | pl.Datetime):
        told = to_days(column, found, Reading())
        # In UTC: of old offsets, such as +00:53:28, the seconds would be lost.
        zoned = isinstance(found, pl.Datetime) and found.time_zone
        return (told.dt.convert_time_zone("UTC") if zoned else told).dt.to_string("iso")
    if isinstance(found, pl.Time):
        return column.dt.to_string("iso")
    if isinstance(found, pl.Binary):
        return pl.Series(column.name, [_utf8(value) for value in column], pl.String)
    if found.is_float():
        return where(column.is_finite(), column).cast(pl.String)
    is_plain = found.is_numeric() or found in (pl.Boolean, pl.String)
    return column.cast(pl.String) if is_plain else nothing(column, pl.String())


def _utf8(value: bytes | None) -> str | None:
    try:
        return value.decode() if value is not None else None
    except UnicodeDecodeError:
        return None
