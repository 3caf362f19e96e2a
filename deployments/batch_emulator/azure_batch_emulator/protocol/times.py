"""Moments and durations as the service writes them: seven digits of a second, ISO 8601 durations, ETags of ticks."""

import re
from datetime import UTC, datetime, timedelta

INFINITE = "P10675199DT2H48M5.4775807S"

_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
_TICKS_PER_SECOND = 10_000_000
# Nothing waits for what is longer than thirty years.
_ENDLESS = 1e9
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_UNITS = {"weeks": 604800, "days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}


def ticks(moment: datetime) -> int:
    """Tenths of a microsecond since the year 1, as .NET counts; the service's ETags are such numbers."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 10


def from_ticks(count: int) -> datetime:
    return _EPOCH + timedelta(microseconds=count // 10)


def stamp(moment: datetime) -> str:
    return stamp_of_ticks(ticks(moment))


def stamp_of_ticks(count: int) -> str:
    """`2022-09-06T23:45:28.2185577Z`, without zeros at the end."""
    digits = f"{count % _TICKS_PER_SECOND:07d}".rstrip("0")
    return f"{from_ticks(count):%Y-%m-%dT%H:%M:%S}{f'.{digits}' if digits else ''}Z"


def moment(text: str) -> datetime:
    """The moment of a stamp, in UTC; without an offset it is taken as UTC."""
    cut = re.sub(r"(\.\d{6})\d+", r"\1", text)
    parsed = datetime.fromisoformat(cut)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def seconds(duration: str) -> float:
    """Seconds of an ISO 8601 duration; ValueError for anything else."""
    found = _DURATION.fullmatch(duration)
    if found is None or duration.endswith(("P", "T")):
        raise ValueError(f"{duration!r} is not a duration. Durations look like PT15M or P7D.")
    return sum(float(amount) * _UNITS[unit] for unit, amount in found.groupdict().items() if amount)


def finite(duration: str | None) -> float | None:
    """Seconds of a duration; None where nothing need wait for its end."""
    length = None if duration is None else seconds(duration)
    return None if length is None or length >= _ENDLESS else length


def normal_duration(duration: str) -> str:
    """The same duration as the service writes it: PT06M00S becomes PT6M. Raises: ValueError."""
    length = seconds(duration)
    if length >= _ENDLESS:
        return duration
    whole, parts = int(length), []
    for size, unit in ((3600, "H"), (60, "M")):
        parts.append((whole % (86400 if unit == "H" else 3600) // size, unit))
    rest = f"{length - whole // 60 * 60:.7f}".rstrip("0").rstrip(".")
    clock = "".join(f"{amount}{unit}" for amount, unit in parts if amount) + ("" if rest == "0" else f"{rest}S")
    days = f"{whole // 86400}D" if whole >= 86400 else ""
    return f"P{days}{'T' + clock if clock else ''}" if days or clock else "PT0S"
