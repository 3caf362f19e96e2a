"""The types that columns of an answer can be asked for, by name, and the values in them.

    string, binary, boolean, int64, float64, date, time
    datetime                 without a time zone
    datetime[UTC]            in UTC; `datetime[Europe/Berlin]` and so on
    decimal(18, 4)           18 digits, four of them behind the point

Nothing is rounded or cut off: what the type cannot hold is refused.
"""

import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from tasks.errors import ConfigurationError, ContractError

_SIMPLE: Mapping[str, pl.DataType] = {
    "string": pl.String(),
    "binary": pl.Binary(),
    "boolean": pl.Boolean(),
    "int64": pl.Int64(),
    "float64": pl.Float64(),
    "date": pl.Date(),
    "time": pl.Time(),
    "datetime": pl.Datetime("us"),
}
_ZONED = re.compile(r"datetime\[([^\]]+)\]")
_DECIMAL = re.compile(r"decimal\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)")
_DIGITS = 38  # the most that a decimal has


def read_types(names: Mapping[str, str]) -> dict[str, pl.DataType]:
    """Types by column, from their names by column. Raises ConfigurationError for a name that is none."""
    return {column: _read(column, name.strip()) for column, name in names.items()}


def typed(rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The rows, with the columns named in `types` in these types; others stay as they came.

    Text is read as ISO 8601 dates and times; a time without a zone counts as UTC where one is wanted. Raises
    ContractError for values that the type cannot hold and for a column that is not there."""
    if missing := [name for name in types if name not in rows.columns]:
        raise ContractError(
            f"The answer to the query has no column {', '.join(missing)}, for which a type was given. It has "
            f"{', '.join(rows.columns)}."
        )
    return rows.with_columns(_typed(rows.get_column(name), dtype) for name, dtype in types.items())


def _read(column: str, name: str) -> pl.DataType:
    if name in _SIMPLE:
        return _SIMPLE[name]
    if zoned := _ZONED.fullmatch(name):
        try:
            return pl.Datetime("us", ZoneInfo(zoned[1]).key)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigurationError(f"{zoned[1]!r}, of the column {column}, is not a time zone. Give one.") from None
    if decimal := _DECIMAL.fullmatch(name):
        precision, scale = int(decimal[1]), int(decimal[2])
        if 1 <= precision <= _DIGITS and scale <= precision:
            return pl.Decimal(precision, scale)
    raise ConfigurationError(
        f"{name!r}, of the column {column}, is not a type. Those that are: {', '.join(_SIMPLE)}, datetime[UTC] or "
        f"another time zone, decimal(18, 4) or other numbers of digits, up to {_DIGITS}."
    )


def _typed(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    if column.dtype == dtype:
        return column
    converted = _converted(column, dtype)
    lost = _lost(column, converted)
    if lost.len():
        raise ContractError(
            f"The column {column.name} of the answer is {column.dtype}, and {lost.len()} of its values are no "
            f"{dtype}: {lost[0]!r} is the first. Convert it in the query with CAST, or ask for another type."
        )
    return converted


def _lost(column: pl.Series, converted: pl.Series) -> pl.Series:
    return column.filter(column.is_not_null() & converted.is_null())


def _converted(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Null where the type does not hold the value."""
    nothing = pl.Series(column.name, [None], dtype).new_from_index(0, column.len())
    if column.dtype == dtype:
        return column
    if column.null_count() == column.len():  # its type is whatever the driver took
        return nothing
    if dtype.is_temporal() != column.dtype.is_temporal() and pl.String not in (column.dtype, dtype):
        return nothing  # polars would take a number for the days or microseconds since 1970
    convert = _from_text if column.dtype == pl.String else _from_value
    try:
        return pl.select(convert(pl.lit(column), column.dtype, dtype)).to_series().alias(column.name)
    except (pl.exceptions.InvalidOperationError, pl.exceptions.ComputeError):  # as bytes that are no UTF-8 are no text
        return nothing


def _from_text(text: pl.Expr, _: pl.DataType, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Date):
        return text.str.to_date("%Y-%m-%d", strict=False)
    if isinstance(dtype, pl.Time):
        return text.str.to_time("%H:%M:%S%.f", strict=False)
    if isinstance(dtype, pl.Datetime):
        return _moment(text, dtype)
    if isinstance(dtype, pl.Decimal):
        # A cast would cut off digits that do not fit.
        exact = text.str.contains(rf"^\s*[+-]?\d*\.?\d{{0,{dtype.scale}}}0*\s*$")
        return pl.when(exact).then(text.cast(dtype, strict=False))
    if isinstance(dtype, pl.Boolean):
        return text.str.to_lowercase().replace_strict(_BOOLEANS, default=None, return_dtype=pl.Boolean)
    return text.cast(dtype, strict=False)


_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_CLOCK = r"^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(:\d\d(?:\.\d+)?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?$"


def _moment(text: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    day, minute, second, offset = (text.str.extract(_CLOCK, group) for group in range(1, 5))
    clock = day + " " + minute + second.fill_null(":00")
    if dtype.time_zone is None:
        local = clock.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit=dtype.time_unit, strict=False)
        return pl.when(offset.is_null()).then(local)
    east = offset.fill_null("Z").str.replace("Z", "+00", literal=True).str.replace(r"^(...)$", "${1}00")
    moment = (clock + east).str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", time_unit=dtype.time_unit, strict=False)
    return moment.dt.convert_time_zone(dtype.time_zone)


def _from_value(value: pl.Expr, found: pl.DataType, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.String):
        return value.cast(dtype, strict=False)
    if isinstance(found, pl.Datetime) and isinstance(dtype, pl.Datetime):
        value, found = _rezoned(value, found, dtype)
    converted = value.cast(dtype, strict=False)
    return pl.when(converted.cast(found, strict=False) == value).then(converted)


def _rezoned(value: pl.Expr, found: pl.Datetime, dtype: pl.Datetime) -> tuple[pl.Expr, pl.Datetime]:
    """The same moments in the other's time zone. Which one was meant is lost where none is wanted: that is refused."""
    if dtype.time_zone is None:
        return (pl.lit(None, found) if found.time_zone else value), found
    zoned = value if found.time_zone else value.dt.replace_time_zone("UTC")
    return zoned.dt.convert_time_zone(dtype.time_zone), pl.Datetime(found.time_unit, dtype.time_zone)
