"""Days and moments, of what a source has told: whole, and only where they can be read in one way."""

import polars as pl

from tasks.conversion.cells import nothing, where, whole
from tasks.conversion.numbers import to_number
from tasks.conversion.reading import Reading
from tasks.conversion.written import in_epoch, in_format, in_iso

_FIRST, _LAST = -719_162, 2_932_897  # days since 1970 of the years 1 and 10000: Python has none beyond
_NO_RULES = 2100  # from this year on the rules of time zones are not known
_PER_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def to_days(column: pl.Series, dtype: pl.Date | pl.Datetime, reading: Reading) -> pl.Series:
    """Null where a value is no day or moment, beyond the years 1 to 9999, or not wholly one of this type."""
    clock, moment = (_in_range(told) for told in _told(column, dtype, reading))
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        if reading.zone:
            zoned = _known(clock, reading.zone).dt.replace_time_zone(
                reading.zone, ambiguous="null", non_existent="null"
            )
            moment = moment.fill_null(zoned.dt.convert_time_zone("UTC"))
        return whole(moment.dt.convert_time_zone(dtype.time_zone), dtype)
    if isinstance(dtype, pl.Date) and reading.zone:
        clock = clock.fill_null(
            _known(moment, reading.zone).dt.convert_time_zone(reading.zone).dt.replace_time_zone(None)
        )
    return whole(clock, dtype)


def lacks_zone(column: pl.Series, dtype: pl.Date | pl.Datetime, reading: Reading) -> pl.Series:
    """Whether a value would be a day or moment in a zone, and none is named."""
    clock, moment = _told(column, dtype, reading)
    open_ = moment if isinstance(dtype, pl.Date) else clock
    return open_.is_not_null() & (reading.zone is None and (isinstance(dtype, pl.Date) or dtype.time_zone is not None))


def _told(column: pl.Series, dtype: pl.Date | pl.Datetime, reading: Reading) -> tuple[pl.Series, pl.Series]:
    """Times of a clock, without a zone, and moments, in UTC, in one unit: each value is the one, the other or null."""
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        told = _in_range(column)
        told = told.cast(pl.Datetime("us")) if isinstance(told.dtype, pl.Date) else told
    elif reading.epoch:
        told = in_epoch(to_number(column, pl.Int64()), reading.epoch)
        told = told.dt.replace_time_zone(None) if reading.epoch == "d" else told
    elif reading.format:
        text = column if column.dtype == pl.String else to_number(column, pl.Int64()).cast(pl.String)
        told = in_format(text.str.strip_chars(), reading.format)
    elif column.dtype == pl.String:
        return in_iso(column.str.strip_chars(), dtype)
    else:
        told = nothing(column, pl.Datetime("us"))
    assert isinstance(told.dtype, pl.Datetime)  # noqa: S101
    if told.dtype.time_zone:
        return nothing(told, pl.Datetime(told.dtype.time_unit)), told.dt.convert_time_zone("UTC")
    return told, nothing(told, pl.Datetime(told.dtype.time_unit, "UTC"))


def _known(values: pl.Series, zone: str) -> pl.Series:
    """Those of which it is known what a clock shows: beyond, polars has no rules of summer time."""
    return values if zone == "UTC" else where(values.dt.year() < _NO_RULES, values)


def _in_range(values: pl.Series) -> pl.Series:
    each = _PER_DAY[values.dtype.time_unit] if isinstance(values.dtype, pl.Datetime) else 1
    first, end = (max(-(2**63), min(days * each, 2**63 - 1)) for days in (_FIRST, _LAST))
    return where(values.to_physical().is_between(first, end, closed="left"), values)
