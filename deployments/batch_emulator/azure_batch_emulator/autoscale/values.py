"""The types of the language, and how the service writes their values into results.

https://learn.microsoft.com/azure/batch/batch-automatic-scaling#types
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from operator import attrgetter

Vector = tuple[float, ...]
Value = float | Vector | str | datetime | timedelta

DEALLOCATION_OPTIONS = ("requeue", "terminate", "taskcompletion", "retaineddata")
INTERVALS = {
    "TimeInterval_Zero": timedelta(),
    # A timedelta counts microseconds; a tenth of one is nothing to a formula whose samples are 30 seconds apart.
    "TimeInterval_100ns": timedelta(),
    **{
        f"TimeInterval_{unit.capitalize()}": timedelta(**{f"{unit}s": 1})
        for unit in ("microsecond", "millisecond", "second", "minute", "hour", "day", "week")
    },
    "TimeInterval_Year": timedelta(days=365),
}
CONSTANTS: dict[str, Value] = {**INTERVALS, **{option: option for option in DEALLOCATION_OPTIONS}}
MEMBERS: dict[str, Callable[[datetime], int]] = {
    **{name: attrgetter(name) for name in ("year", "month", "day", "hour", "minute", "second")},
    # Documented is only "1 for Monday". Batch Shipyard's weekend is 6 to 7, so Sunday is taken to be 7.
    "weekday": datetime.isoweekday,
}


def type_name(value: Value) -> str:
    names = {float: "double", tuple: "doubleVec", str: "string", datetime: "timestamp", timedelta: "timeinterval"}
    return names[type(value)]


def written(value: Value) -> str:
    """`10`, `0.5`, `[1,2]`, `2016-10-13T19:18:47.805Z`, `00:15:00`."""
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, tuple):
        return f"[{','.join(written(item) for item in value)}]"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"
    if isinstance(value, timedelta):
        return _interval(value)
    return value


def timestamp(text: str) -> datetime:
    """A W3C-DTF or RFC 1123 text as UTC; ValueError for any other. No zone means UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = parsedate_to_datetime(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _interval(value: timedelta) -> str:
    """As .NET writes it: `-1.02:03:04.5000000` is a negative day, two hours, three minutes, four and a half seconds."""
    size = abs(value)
    minutes, seconds = divmod(size.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{size.days}." if size.days else ""
    fraction = f".{size.microseconds:06d}0" if size.microseconds else ""
    return f"{'-' if value < timedelta() else ''}{days}{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"
