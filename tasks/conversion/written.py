"""Dates and times as sources write them: in ISO 8601, in a format of their own, as a number since 1970.

A source writes the time of a clock somewhere, which has no zone here, or a moment, which is in UTC here."""

import re
from typing import Literal

import polars as pl

from tasks.conversion.cells import where

Epoch = Literal["d", "s", "ms", "us", "ns"]

_DAY = r"^\d{4}-\d\d-\d\d$"
_CLOCK = r"^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(:[0-5]\d(?:\.\d+)?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?$"
_FINER = {"ms": r"\.\d{3}\d*[1-9]", "us": r"\.\d{6}\d*[1-9]", "ns": r"\.\d{9}\d*[1-9]"}  # than the unit
_SINCE_1970: dict[Epoch, tuple[Literal["ms", "us", "ns"], int]] = {  # the unit of a Datetime, and how many of it
    "d": ("ms", 86_400_000),
    "s": ("ms", 1000),
    "ms": ("ms", 1),
    "us": ("us", 1),
    "ns": ("ns", 1),
}


def in_iso(text: pl.Series, dtype: pl.Date | pl.Datetime) -> tuple[pl.Series, pl.Series]:
    """Times of a clock and moments, null where it is none. That a day alone is its midnight holds for a Date only."""
    unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else "us"
    if isinstance(dtype, pl.Date):
        text = text.str.replace(_DAY, "${0}T00:00")
    day, minute, second, offset = (text.str.extract(_CLOCK, group) for group in range(1, 5))
    if unit == "ns":  # 64 bits of them: polars would begin anew
        day = where(day.is_between("1677-09-22", "2262-04-10"), day)
    clock = where(~text.str.contains(_FINER[unit]), day + " " + minute + second.fill_null(":00"))
    local = clock.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit=unit, strict=False)
    east = offset.str.replace("Z", "+00", literal=True).str.replace(r"^(...)$", "${1}00")
    moment = (clock + east).str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", time_unit=unit, strict=False)
    return where(offset.is_null(), local), moment


def in_format(text: pl.Series, form: str) -> pl.Series:
    """Moments where the format has an offset, else times of a clock; null where that is not wholly what a text is."""
    read = text.str.to_datetime(form, time_unit="us", strict=False)
    sound = ~text.str.contains(rf"{_FINER['us']}|:60") & (read.dt.year() >= 1000)  # 01/02/24 is not of the year 24
    if re.search(r"%\w%[a-zA-Z]", form):  # where nothing is between digits, only their number tells them apart
        sound &= read.dt.to_string(form) == text
    return where(sound, read)


def in_epoch(whole: pl.Series, epoch: Epoch) -> pl.Series:
    """Moments, of Int64."""
    unit, each = _SINCE_1970[epoch]
    ticks = whole * each
    return where(ticks // each == whole, ticks).cast(pl.Datetime(unit, "UTC"))
