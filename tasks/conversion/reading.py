"""How a source writes the dates and times of a column, where that is not ISO 8601: said in the column's `metadata`.

dy.Date(metadata={"format": "%m/%d/%Y"})        text such as 1/31/2024; with "%Y%m%d" numbers such as 20240131 too
dy.Datetime(metadata={"epoch": "s"})            a number of d, s, ms, us or ns since 1970-01-01 in UTC; an integer may
                                                say it of itself, and stays one
dy.Date(metadata={"zone": "Europe/Berlin"})     the zone in which a moment is the midnight that begins a day, and of
                                                which are times that name none
"""

from dataclasses import dataclass
from datetime import datetime
from typing import get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dataframely as dy
import polars as pl

from tasks.conversion.written import Epoch, in_format
from tasks.errors import ConfigurationError


@dataclass(frozen=True)
class Reading:
    """`format` is in the terms of strftime (docs.rs/chrono, `format::strftime`); a `%Y` has four digits."""

    format: str | None = None
    epoch: Epoch | None = None
    zone: str | None = None

    @staticmethod
    def of(name: str, column: dy.Column) -> "Reading":
        """What the column's metadata says. Raises ConfigurationError for what cannot be read by."""
        said = {key: value for key, value in (column.metadata or {}).items() if key in Reading.__annotations__}
        reading = Reading(**said)
        if fault := _fault(reading, column.dtype):
            raise ConfigurationError(f"The metadata {said} of the column {name} cannot be read by: {fault}.")
        return reading


def _fault(reading: Reading, dtype: pl.DataType) -> str | None:
    if reading == Reading():
        return None
    counts = dtype.is_integer() and reading.epoch and not (reading.format or reading.zone)
    if not isinstance(dtype, pl.Date | pl.Datetime) and not counts:
        return f"they are for dates and times, and it is {dtype}"
    if reading.epoch is not None and reading.epoch not in get_args(Epoch):
        return f"an epoch is counted in one of {', '.join(get_args(Epoch))}"
    if reading.format is not None and (reading.epoch or not _tells_the_day(reading.format)):
        return 'give either an epoch or a format that tells the day, such as "%m/%d/%Y"'
    try:
        ZoneInfo(reading.zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f'{reading.zone!r} is not a time zone, such as "Europe/Berlin"'
    return None


def _tells_the_day(form: str) -> bool:
    noon = pl.Series([datetime(2021, 11, 30, 12)]).dt.replace_time_zone("UTC")  # noqa: DTZ001 - it gets one
    try:
        read = in_format(noon.dt.to_string(form), form)
    except pl.exceptions.PolarsError:
        return False
    return read.dt.date().to_list() == noon.dt.date().to_list()
