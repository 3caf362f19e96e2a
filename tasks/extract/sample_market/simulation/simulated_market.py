"""The simulated market: thousands of instruments, each bar a function of seed, code and the day on which one asks."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

import numpy as np
import polars as pl

from tasks.errors import ConfigurationError
from tasks.extract.sample_market.market import BARS, Dividend, Split
from tasks.extract.sample_market.simulation.history import Booleans, History, history, market_returns, number_of
from tasks.extract.sample_market.simulation.instruments import (
    FIRST_DAY,
    OTHER_EXCHANGES,
    Instrument,
    code_names,
    instrument,
)
from tasks.extract.sample_market.simulation.randomness import Floats, Integers, fields, series
from tasks.sessions.trading_days import sessions

KEPT_HISTORIES = 32  # of 100 KB each


def today() -> date:
    return datetime.now(UTC).date()


class SimulatedMarket:
    """Bars since 2000-01-03, or the listing. `as_of` moves what is known: the last session, adjustments, volumes.

    Beside its `size` codes of one exchange it has BTC-USD.CC and EURUSD.FOREX. With `as_of` None it is today, in UTC.
    """

    def __init__(
        self,
        size: int = 5000,
        *,
        seed: int = 1,
        exchange: str = "US",
        as_of: date | None = None,
        clock: Callable[[], date] = today,
    ) -> None:
        self.seed: Final = seed
        self.as_of = as_of
        self._clock = clock
        listed = [f"{name}.{exchange.upper()}" for name in code_names(size)]
        self._instruments = {code: instrument(seed, code) for code in (*listed, *OTHER_EXCHANGES)}
        self._history = lru_cache(maxsize=KEPT_HISTORIES)(self._made_history)
        self._sessions = lru_cache(maxsize=8)(self._made_sessions)

    @property
    def as_of(self) -> date:
        return self._as_of or self._clock()

    @as_of.setter
    def as_of(self, day: date | None) -> None:
        if day is not None and day < FIRST_DAY:
            raise ConfigurationError(f"The sample market begins on {FIRST_DAY}. Give a day from then on, not {day}.")
        self._as_of = day

    def codes(self, exchange: str, day: date | None = None) -> list[str]:
        known = (i for i in self._instruments.values() if i.exchange == exchange.upper() and i.listed <= self.as_of)
        if day is None:
            return [_name(i) for i in known]
        if day > self.as_of or not sessions(exchange, day, day):
            return []
        return [_name(i) for i in known if i.listed <= day and (i.delisted is None or day < i.delisted)]

    def bars(self, code: str, first: date, last: date) -> pl.DataFrame | None:
        found = self._known(code)
        if found is None:
            return None
        as_of = self.as_of
        past = self._history(found, as_of)
        if past is None:
            return BARS.to_frame()
        start, stop = np.searchsorted(past.days, [number_of(first), number_of(last) + 1]).tolist()
        return _bars(found, past, start, max(start, stop), provisional=number_of(as_of))

    def splits(self, code: str) -> tuple[Split, ...]:
        past = self._past(code)
        return past.splits if past else ()

    def dividends(self, code: str) -> tuple[Dividend, ...]:
        past = self._past(code)
        return past.dividends if past else ()

    def _known(self, code: str) -> Instrument | None:
        found = self._instruments.get(code)
        return found if found and found.listed <= self.as_of else None

    def _past(self, code: str) -> History | None:
        found = self._known(code)
        return self._history(found, self.as_of) if found else None

    def _made_history(self, found: Instrument, as_of: date) -> History | None:
        days, market = self._sessions(found.exchange, as_of.year)
        end = number_of(as_of) + 1 if found.delisted is None else min(number_of(as_of) + 1, number_of(found.delisted))
        start, stop = np.searchsorted(days, [number_of(found.listed), end]).tolist()
        return history(found, days[start:stop], market[start:stop]) if stop > start else None

    def _made_sessions(self, exchange: str, last_year: int) -> tuple[Integers, Floats]:
        days = np.array([number_of(d) for d in sessions(exchange, FIRST_DAY, date(last_year, 12, 31))], dtype=np.int64)
        return days, market_returns(self.seed, exchange, days)


def _bars(found: Instrument, past: History, start: int, stop: int, provisional: int) -> pl.DataFrame:
    days, flat = past.days[start:stop], past.flat[start:stop]
    drawn = fields(series(found.day_stream, days))
    split_factor = past.split_factor(days)
    close = (past.unsplit[start:stop] * split_factor).round(found.decimals)
    before = past.unsplit[np.maximum(np.arange(start, stop) - 1, 0)] * split_factor
    opened, high, low = _range(found, before, close, drawn, flat)
    volume = _volume(found, past, drawn, flat)
    if len(days) and days[-1] == provisional:  # the source revises the volume a day later
        volume[-1] = np.floor(volume[-1] * (0.8 + 0.17 * drawn[2, -1]))
    columns = {
        "open": opened,
        "high": high,
        "low": low,
        "close": close,
        "adjusted_close": (close * past.adjustment(days)).round(4),
        "volume": volume.astype(np.int64),
    }
    dates = pl.Series("date", days.astype(np.int32)).cast(pl.Date)
    return pl.DataFrame([dates, *(pl.Series(name, values) for name, values in columns.items())])


def _range(
    found: Instrument, before: Floats, close: Floats, drawn: Floats, flat: Booleans
) -> tuple[Floats, Floats, Floats]:
    """Open, high and low: the open is near the close of the day before, the range up to one usual move beyond both."""
    move = drawn[:3] * found.volatility
    opened = (before * (1.0 - found.volatility / 2 + move[0])).round(found.decimals)
    high = (np.maximum(opened, close) * (1.0 + move[1])).round(found.decimals)
    low = (np.minimum(opened, close) * (1.0 - move[2])).round(found.decimals)
    return np.where(flat, close, opened), np.where(flat, close, high), np.where(flat, close, low)


def _volume(found: Instrument, past: History, drawn: Floats, flat: Booleans) -> Floats:
    """In today's shares: as if all splits known had been there from the start."""
    shares = found.volume / past.split_factors[-1] * (0.5 + drawn[3] * (0.6 + drawn[1]))
    return np.where(flat, 0.0, np.maximum(np.rint(shares), 1.0))


def _name(found: Instrument) -> str:
    return found.code.rpartition(".")[0]
