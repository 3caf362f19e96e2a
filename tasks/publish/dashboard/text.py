"""Numbers and dates as a person reads them. Nothing here is HTML: the template escapes what it is given."""

from datetime import date, datetime

NOTHING = "–"  # noqa: RUF001 - an en dash, for a value that is missing
MINUS = "\N{MINUS SIGN}"  # as wide as a plus, so that columns of digits line up


def number(value: float | None, decimals: int = 2) -> str:
    """Thousands separated, always so many decimals."""
    return NOTHING if value is None else f"{value:,.{decimals}f}".replace("-", MINUS)


def percent(share: float | None, decimals: int = 2) -> str:
    """A share as a percentage without its sign: 0.0123 is 1.23%."""
    return NOTHING if share is None else f"{number(share * 100, decimals)}%"


def change(share: float | None) -> str:
    """A change as a percentage with its sign: 0.0123 is +1.23%."""
    if share is None:
        return NOTHING
    rounded = round(share, 4) + 0.0  # the sum of minus zero and zero is zero
    return ("+" if rounded > 0 else "") + percent(rounded)


def figure(value: float | None) -> str:
    """A number of unknown kind (a count, a share): at most four decimals, and none that are zero."""
    if value is None:
        return NOTHING
    text = number(value, 4)
    return text.rstrip("0").rstrip(".")


def day(value: date | None) -> str:
    return NOTHING if value is None else f"{value.day} {value:%b %Y}"


def moment(value: datetime) -> str:
    return f"{day(value.date())}, {value:%H:%M}"


def span(first: date, last: date) -> str:
    """Two inclusive dates, without saying the same month or year twice."""
    if first == last:
        return day(last)
    start = f"{first.day} {first:%b %Y}"
    if first.year == last.year:
        start = f"{first.day}" if first.month == last.month else f"{first.day} {first:%b}"
    return f"{start} – {day(last)}"  # noqa: RUF001 - an en dash between dates
