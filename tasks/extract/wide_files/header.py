"""Which columns of a wide file are identifier and dates. What can be read in two ways is refused, never guessed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tasks.errors import ContractError
from tasks.extract.wide_files.layout import Layout, in_century, read_date


@dataclass(frozen=True)
class DateColumn:
    position: int  # in the file, from 0
    name: str  # as it is in the header
    date: date


@dataclass(frozen=True)
class Header:
    names: tuple[str, ...]
    identifiers: tuple[int, ...]  # their positions
    dates: tuple[DateColumn, ...]  # in the order of the file; a date may repeat
    descriptions: tuple[int, ...]  # positions of what is neither identifier nor date, nor to be ignored
    nameless: tuple[int, ...]  # positions behind the first date: nothing may be in them


def read_header(names: Sequence[str], layout: Layout, today: date) -> Header:
    """Dates are the first column that names one and all behind it, but for those without a name or to be ignored.

    Raises ContractError for a header without dates, a column behind the first date that is none, one before it that
    may be one, an order of day and month that is not `dd/mm/yyyy` or that nothing proves, and an identifier that is
    not there once. `today` tells the century of years of two digits."""
    found = _dates(names, layout, today)
    if not found:
        raise ContractError(
            f"None of the {len(names)} columns is a date {_format(layout)}: {_listed(names)}. Set layout.date_format "
            "to that of the header, layout.skip_rows if the header is further down, or layout.separator."
        )
    columns = tuple(DateColumn(position, names[position], day) for position, day in found.items())
    first = columns[0].position
    identifiers = _identifiers(names, columns, layout)
    others = [
        i for i, name in enumerate(names) if i not in found and i not in identifiers and name not in layout.ignore
    ]
    descriptions = tuple(i for i in others if names[i])
    _check_descriptions(names, descriptions, first, layout)
    nameless = tuple(i for i in others if not names[i] and i > first)
    return Header(tuple(names), identifiers, columns, descriptions, nameless)


def count_dates(names: Sequence[str], layout: Layout) -> int:
    """How many names look like dates of the layout, whatever else may be wrong with them."""
    if layout.date_format:
        return sum(1 for name in names if _ISO.fullmatch(name) or read_date(name, layout.date_format))
    return sum(1 for name in names if _ISO.fullmatch(name) or _SLASHES.fullmatch(name))


_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T]00:00(?::00(?:\.0+)?)?)?")  # Excel's dates have a time too
_SLASHES = re.compile(r"(\d\d?)/(\d\d?)/(\d{4})")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_LIKE_A_DATE = re.compile(
    rf"(?:.*\b)?{_MONTH}[\W_]*\d+.*|(?:.*\b)?\d+(?:st|nd|rd|th)?[\W_]*{_MONTH}\b.*"  # Jan-24, 31 January
    r"|\d+[-/. ]\d+[-/. ]\d+.*|\d{8}|\d{4}[-/. ]\d\d?|\d\d?[-/. ]\d{4}"  # 31.01.24, 20240131, 2024-01, 01/2024
    r"|(?:19|20)\d\d|[34]\d{4}"  # a year, a day as Excel counts them
    r"|(?:19|20)\d\d[-_ ]?[qmwh]\d+|[qmwh]\d+[-_ /']?(?:19|20)?\d\d|fy[-_ ]?\d+",  # 2024Q1, Q1 2024, FY24
    re.IGNORECASE,
)
_NAMED = 5  # columns at most in a message


def _dates(names: Sequence[str], layout: Layout, today: date) -> dict[int, date]:
    if layout.date_format is None:
        _check_order([name for name in names if name not in layout.ignore])
    wanted = layout.date_format or "%d/%m/%Y"
    found: dict[int, date] = {}
    for position, name in enumerate(names):
        iso = _ISO.fullmatch(name)
        day = read_date(iso[1], "%Y-%m-%d") if iso else read_date(name, wanted)
        if day and not iso and "%y" in wanted:
            day = in_century(day, today)
        if day and name not in layout.ignore:
            found[position] = day
    return found


def _check_order(names: Sequence[str]) -> None:
    """That these are days before months, by a day above the 12th, or by days that are the same either way."""
    pairs = {name: (int(m[1]), int(m[2])) for name in names if (m := _SLASHES.fullmatch(name))}
    day_first = next((name for name, (a, _) in pairs.items() if a > 12), None)
    month_first = next((name for name, (_, b) in pairs.items() if b > 12), None)
    unclear = next((name for name, (a, b) in pairs.items() if a != b), None)
    if day_first and month_first:
        raise ContractError(
            f"The header has the day first in {day_first!r} and the month first in {month_first!r}. Correct the file: "
            "nobody can tell what the dates between them are."
        )
    if month_first:
        raise ContractError(
            f"The header has the month first in {month_first!r}, and dd/mm/yyyy was expected. Set layout.date_format "
            "to %m/%d/%Y if all of it is so."
        )
    if unclear and not day_first:
        a, b = pairs[unclear]
        raise ContractError(
            f"The header's {unclear!r} may be day {a} of month {b}, or day {b} of month {a}, and no other date tells. "
            "Set layout.date_format to %d/%m/%Y or to %m/%d/%Y."
        )


def _check_descriptions(names: Sequence[str], places: Sequence[int], first: int, layout: Layout) -> None:
    if strange := [names[i] for i in places if i > first or _LIKE_A_DATE.fullmatch(names[i])]:
        raise ContractError(
            f"The header was read for dates {_format(layout)}, and these columns are none: {_listed(strange)}. Set "
            "layout.date_format to that of all dates, or put what is no data into layout.ignore."
        )


def _identifiers(names: Sequence[str], dates: Sequence[DateColumn], layout: Layout) -> tuple[int, ...]:
    if not layout.identifier:
        if dates[0].position == 0 or not names[0]:
            raise ContractError(
                f"The first column is {f'the date {names[0]}' if names[0] else 'without a name'}, so that it was not "
                "taken for the identifier. Set layout.identifier to the name of the column that is."
            )
        return (0,)
    for wanted in layout.identifier:
        if (count := list(names).count(wanted)) != 1:
            raise ContractError(
                f"The header has the identifier {wanted!r} {count} times, not once: {_listed(names)}. Set "
                "layout.identifier to a column that is there, or empty it for the first one."
            )
    return tuple(names.index(wanted) for wanted in layout.identifier)


def _format(layout: Layout) -> str:
    return layout.date_format or "dd/mm/yyyy or yyyy-mm-dd"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(repr(name[:60]) for name in names[:_NAMED]) + more
