"""The trading sessions of an exchange, by the exchange's own holiday calendar, special closings included.

Exchanges are named by the suffix that the source puts behind a code: `AAPL.US` trades in sessions of `US`.
"""

from bisect import bisect_left, bisect_right
from datetime import date, timedelta
from functools import lru_cache

import holidays

from tasks.errors import ConfigurationError


def sessions(exchange: str, first: date, last: date) -> list[date]:
    """The days of trading from `first` to `last`, inclusive and ascending.

    `CC` (crypto) trades every day. `FOREX`, and any exchange whose calendar is not known, trades on weekdays. So
    does an exchange in the years before its calendar begins (NYSE 1863, London 2000, Euronext 2019).
    """
    found: list[date] = []
    for year in range(first.year, last.year + 1):
        found.extend(_year(exchange.upper(), year))
    return found[bisect_left(found, first) : bisect_right(found, last)]


def is_closed(exchange: str, day: date) -> bool:
    """Whether the exchange's own calendar says that it has no session. Where none is known, nobody can say so."""
    return knows(exchange, day) and not sessions(exchange, day, day)


def knows(exchange: str, day: date) -> bool:
    """Whether `sessions` are those of the exchange's own calendar, and not just weekdays."""
    name = exchange.upper()
    return name in EVERY_DAY or (name in CALENDARS and day.year in _years_known(name))


def last_session(exchange: str, on_or_before: date) -> date:
    """The latest session that is not after the day; of the day before a session, the session before it."""
    found = sessions(exchange, on_or_before - LONGEST_CLOSING, on_or_before)
    if not found:
        raise ConfigurationError(
            f"{exchange} has no session in the {LONGEST_CLOSING.days} days up to {on_or_before}. "
            "Give a date within its calendar."
        )
    return found[-1]


def exchange_of(code: str) -> str:
    """The suffix of a code, `US` where it has none, as the source reads it."""
    _, dot, suffix = code.rpartition(".")
    return suffix.upper() if dot else "US"


SESSIONS_PER_DAY = 252 / 365.25  # of the calendar, about
LONGEST_CLOSING = timedelta(days=40)  # the Chinese New Year closes an exchange for eleven days; wars have for longer

EVERY_DAY = frozenset({"CC"})

# The source's suffix, and the market identifier code by which `holidays` knows the exchange.
# https://eodhd.com/list-of-stock-markets and https://holidays.readthedocs.io (financial holidays).
CALENDARS = {
    "US": "XNYS",
    "LSE": "XLON",
    "TO": "XTSE",
    "V": "XTSE",
    "XETRA": "XETR",
    "F": "XFRA",
    "BE": "XFRA",
    "DU": "XFRA",
    "HA": "XFRA",
    "HM": "XFRA",
    "MU": "XFRA",
    "STU": "XFRA",
    "PA": "XPAR",
    "AS": "XAMS",
    "BR": "XBRU",
    "LS": "XLIS",
    "IR": "XDUB",
    "OL": "XOSL",
    "MC": "XMAD",
    "SW": "XSWX",
    "WAR": "XWAR",
    "AT": "XATH",
    "IS": "XIST",
    "AU": "XASX",
    "HK": "XHKG",
    "SHG": "XSHG",
    "SHE": "XSHE",
    "TW": "XTAI",
    "TWO": "XTAI",
    "KO": "XKRX",
    "KQ": "XKRX",
    "NSE": "XNSE",
    "BSE": "XBOM",
    "KAR": "XKAR",
    "SR": "XSAU",
    "JSE": "XJSE",
    "SA": "BVMF",
    "MX": "XMEX",
    "BA": "XBUE",
}


@lru_cache
def _years_known(exchange: str) -> range:
    calendar = holidays.financial_holidays(CALENDARS[exchange])
    return range(calendar.start_year, calendar.end_year + 1)


@lru_cache(maxsize=1024)  # ten exchanges for a century
def _year(exchange: str, year: int) -> tuple[date, ...]:
    day, end = date(year, 1, 1), date(year, 12, 31)
    days = [day + timedelta(days=n) for n in range((end - day).days + 1)]
    if exchange in EVERY_DAY:
        return tuple(days)
    if exchange not in CALENDARS:
        return tuple(d for d in days if d.weekday() < 5)
    closed = holidays.financial_holidays(CALENDARS[exchange], years=year)
    return tuple(d for d in days if d.weekday() not in closed.weekend and d not in closed)
