"""Why values are none of a type, in words that name the setting which would decide."""

import polars as pl

from tasks.conversion.days import lacks_zone
from tasks.conversion.reading import Reading


def refusal(column: pl.Series, dtype: pl.DataType, reading: Reading) -> pl.Series:
    """For each value, what is said of it if it did not become one of `dtype`, after the column's name."""
    came = pl.Series([f"is no {dtype}: it came as {column.dtype}"]).new_from_index(0, column.len())
    if not isinstance(dtype, pl.Date | pl.Datetime):
        return came
    kind = "date" if isinstance(dtype, pl.Date) else "time with its day"
    if column.dtype.is_numeric() or isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum):
        why = f'is no {kind} in ISO 8601: "format" or "epoch" in the metadata of the column can say how it is written'
        if reading.format or reading.epoch:
            by = f"written {reading.format}" if reading.format else f"counted in {reading.epoch} since 1970"
            why = f"is no {kind} that is {by}, as the metadata of the column says"
        came = pl.Series([why]).new_from_index(0, column.len())
    zone = f'is no {kind} without a zone: "zone" in the metadata of the column can name it'
    return pl.select(pl.when(lacks_zone(column, dtype, reading)).then(pl.lit(zone)).otherwise(came)).to_series()
