"""What the server needs of a market: codes, bars, splits and dividends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import polars as pl

BARS = pl.Schema(
    {
        "date": pl.Date,
        "open": pl.Float64,
        "high": pl.Float64,
        "low": pl.Float64,
        "close": pl.Float64,
        "adjusted_close": pl.Float64,
        "volume": pl.Int64,
    }
)


@dataclass(frozen=True)
class Split:
    """`before` shares became `after` shares at the start of the day."""

    day: date
    after: int
    before: int

    @property
    def factor(self) -> float:
        """What an earlier price is multiplied with."""
        return self.before / self.after


@dataclass(frozen=True)
class Dividend:
    """The day is the ex-date, the amount per share of that day, `factor` what an earlier price is multiplied with."""

    day: date
    amount: float
    factor: float


class Market(Protocol):
    """Codes are asked for with their suffix, `AAPL.US`, and listed without it. Nothing after `as_of` is known."""

    as_of: date

    def codes(self, exchange: str, day: date | None = None) -> list[str]:
        """All codes listed so far, delisted ones too; with a day, those with a bar on it."""

    def bars(self, code: str, first: date, last: date) -> pl.DataFrame | None:
        """The schema is `BARS`, sorted by date; None for an unknown code."""

    def splits(self, code: str) -> Sequence[Split]: ...

    def dividends(self, code: str) -> Sequence[Dividend]: ...
