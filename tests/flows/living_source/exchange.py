"""An exchange with a life of its own: what it says of a day today need not be what it said of that day yesterday.

It is a `Market`, which the server of the sample market serves; all that happens on it is done to it from outside."""

import math
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from tasks.extract.sample_market import Dividend, Split
from tasks.extract.sample_market.market import BARS

EXCHANGE = "XX"  # has no calendar of its own: it trades on weekdays


@dataclass
class Listing:
    """What the exchange keeps of one code. Closes are as they were quoted on their day."""

    price: float
    quoted: dict[date, tuple[float, int]] = field(default_factory=dict)  # close and volume
    splits: list[tuple[date, float]] = field(default_factory=list)  # what earlier closes are multiplied with
    dividends: list[tuple[date, float]] = field(default_factory=list)
    unit: float = 1.0  # in which all prices are told: pence for pounds
    withdrawn: set[date] = field(default_factory=set)
    empty: set[date] = field(default_factory=set)  # days whose close is null
    listed: bool = True
    halted: int = 0  # sessions to come without a trade

    def bars(self, digits: int) -> pl.DataFrame:
        """In the schema `BARS`, as the exchange says it now."""
        rows = [self._bar(day, digits) for day in sorted(self.quoted) if day not in self.withdrawn]
        return pl.DataFrame(rows, schema=BARS, orient="row")

    def _bar(self, day: date, digits: int) -> tuple[object, ...]:
        quoted, volume = self.quoted[day]
        close = round(quoted * self.unit, digits)
        split = math.prod(factor for ex, factor in self.splits if ex > day)
        paid = math.prod(factor for ex, factor in self.dividends if ex > day)
        adjusted = round(close * split * paid, digits)
        shown = None if day in self.empty else close
        high, low = round(close * 1.01, digits), round(close * 0.99, digits)
        return day, close, high, low, shown, adjusted, round(volume / split)


class Exchange:
    """Listings by name, without suffix. `digits` is how many decimals it shows of a price."""

    def __init__(self, as_of: date, digits: int = 4) -> None:
        self.as_of = as_of
        self.digits = digits
        self.listings: dict[str, Listing] = {}

    def codes(self, exchange: str, day: date | None = None) -> list[str]:
        if exchange.upper() != EXCHANGE:
            return []
        return [n for n, of in self.listings.items() if day is None or (day in of.quoted and day not in of.withdrawn)]

    def bars(self, code: str, first: date, last: date) -> pl.DataFrame | None:
        listing = self.listings.get(code.removesuffix(f".{EXCHANGE}"))
        if listing is None:
            return None
        return listing.bars(self.digits).filter(pl.col("date").is_between(first, min(last, self.as_of)))

    def splits(self, code: str) -> tuple[Split, ...]:
        return ()

    def dividends(self, code: str) -> tuple[Dividend, ...]:
        return ()
