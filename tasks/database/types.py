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

from tasks.conversion import Reading, as_text, converted
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
_IN_UTC = Reading(zone="UTC")


def read_types(names: Mapping[str, str]) -> dict[str, pl.DataType]:
    """Types by column, from their names by column. Raises ConfigurationError for a name that is none."""
    return {column: _read(column, name.strip()) for column, name in names.items()}


def typed(rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The rows, with the columns named in `types` in these types; others stay as they came.

    Text is read as `tasks.conversion` reads it; a time without a zone counts as UTC where one is wanted. Raises
    ContractError for values that the type cannot hold and for a column that is not there."""
    if missing := [name for name in types if name not in rows.columns]:
        raise ContractError(
            f"The answer to the query has no column {', '.join(missing)}, for which a type was given. It has "
            f"{', '.join(rows.columns)}."
        )
    return rows.with_columns(_typed(rows.get_column(name), dtype) for name, dtype in types.items())


def fitting(rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows whose values fit into these types, in them; the others as texts, with their `reasons`.

    Rows have exactly these columns."""
    found, reasons = [], []
    for name, dtype in types.items():
        column = rows.get_column(name)
        value = column if column.dtype == dtype else converted(column, dtype, _IN_UTC)
        lost = column.is_not_null() & value.is_null()
        if lost.any():
            reasons.append(pl.when(lost).then(pl.lit(f"{name} is no {dtype}: it came as {column.dtype}")))
        found.append(value)
    typed_rows = pl.DataFrame(found, schema=dict(types))
    if not reasons:
        return typed_rows, rows.clear().select(pl.all().cast(pl.String), reasons=pl.lit("", dtype=pl.String))
    why = rows.select(reasons=pl.concat_str(reasons, separator="; ", ignore_nulls=True).replace("", None))["reasons"]
    bad = rows.filter(why.is_not_null())
    texts = bad.select(as_text(bad.get_column(name)) for name in types)
    return typed_rows.filter(why.is_null()), texts.with_columns(why.drop_nulls())


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
    found = converted(column, dtype, _IN_UTC)
    lost = column.filter(column.is_not_null() & found.is_null())
    if lost.len():
        raise ContractError(
            f"The column {column.name} of the answer is {column.dtype}, and {lost.len()} of its values are no "
            f"{dtype}: {lost[0]!r} is the first. Convert it in the query with CAST, or ask for another type."
        )
    return found
