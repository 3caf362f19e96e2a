"""The simulated past of one instrument up to a day: its walk, its splits and its dividends."""

from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from operator import mul

import numpy as np
import numpy.typing as npt

from tasks.extract.sample_market.market import Dividend, Split
from tasks.extract.sample_market.simulation.instruments import Instrument
from tasks.extract.sample_market.simulation.randomness import Bits, Floats, Integers, bell, key, series

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Payouts:
    """The dividends as columns."""

    ex_days: Integers
    amounts: Floats
    factors: Floats


@dataclass(frozen=True)
class History:
    """One row per session from the listing to the day; indexes below are of these rows.

    `unsplit` is the price as if no share had ever been split. What is quoted is `unsplit` times the product of the
    factors of the splits so far.
    """

    days: Integers  # since 1970
    flat: Booleans  # sessions without a trade
    unsplit: Floats
    splits: tuple[Split, ...]
    split_days: Integers
    split_factors: Floats  # the products so far: before the first split, after the first, ...
    payouts: Payouts
    event_days: Integers  # of splits and dividends, ascending
    event_factors: Floats  # the product of this and all later events; ends with 1

    @property
    def dividends(self) -> tuple[Dividend, ...]:
        paid = self.payouts
        rows = zip(paid.ex_days.tolist(), paid.amounts.tolist(), paid.factors.tolist(), strict=True)
        return tuple(Dividend(day_of(day), amount, factor) for day, amount, factor in rows)

    def split_factor(self, days: Integers) -> Floats:
        return self.split_factors[self.split_days.searchsorted(days, side="right")]

    def adjustment(self, days: Integers) -> Floats:
        """What a close of the day is multiplied with for all that came after it."""
        return self.event_factors[self.event_days.searchsorted(days, side="right")]


def history(instrument: Instrument, days: Integers, market: Floats) -> History:
    """`days` are the sessions of the exchange from the listing to the last day known, `market` its returns on them."""
    bits = series(instrument.stream, days)
    # These bits are in the return too, but a session without a trade has none.
    flat = ((bits >> np.uint64(5)) & np.uint64(0xFFFFF)) < np.uint64(instrument.flat_share * 0x100000)
    flat[0] = False
    ex_rows = _ex_rows(instrument, days)
    unsplit = _walk(instrument, bits, market, flat, ex_rows)
    splits = _splits(instrument, days, unsplit)
    split_days = np.array([number_of(s.day) for s in splits], dtype=np.int64)
    split_factors = np.array([1.0, *accumulate((s.factor for s in splits), mul)])
    payouts = _NONE
    if len(ex_rows):
        so_far = split_factors[split_days.searchsorted(days[np.array([ex_rows - 1, ex_rows])], side="right")]
        payouts = _payouts(instrument, days[ex_rows], unsplit[ex_rows - 1], so_far)
    event_days, event_factors = _events(splits, split_days, payouts)
    return History(days, flat, unsplit, splits, split_days, split_factors, payouts, event_days, event_factors)


def market_returns(seed: int, exchange: str, days: Integers) -> Floats:
    """What all instruments of an exchange have in common, by session."""
    return 0.0002 + 0.009 * bell(series(key(seed, "market", exchange), days))


def number_of(day: date) -> int:
    """Days since 1970."""
    return day.toordinal() - _EPOCH


def day_of(number: int) -> date:
    return date.fromordinal(number + _EPOCH)


_EPOCH = date(1970, 1, 1).toordinal()
_NONE = Payouts(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
_SPLITS = ((2, 1), (3, 1), (4, 1), (3, 2), (2, 1))
_MERGERS = ((1, 10), (1, 5), (1, 20))


def _walk(instrument: Instrument, bits: Bits, market: Floats, flat: Booleans, ex_rows: Integers) -> Floats:
    """A geometric random walk: the product of one plus each return. It falls by the dividend on an ex-date."""
    growth = bell(bits)
    growth *= instrument.volatility
    growth += instrument.beta * market
    growth += 1.0 + instrument.drift
    growth[flat] = 1.0
    growth[ex_rows] *= 1.0 - instrument.quarterly_yield
    growth[0] = instrument.price
    return growth.cumprod()


def _ex_rows(instrument: Instrument, days: Integers) -> Integers:
    """The rows of the first sessions on or after each 91st day, never the first row."""
    if not instrument.quarterly_yield:
        return np.empty(0, dtype=np.int64)
    due = np.arange(days[0] - days[0] % 91 + instrument.dividend_phase, days[-1] + 1, 91)
    rows = np.unique(np.searchsorted(days, due))
    return rows[rows > 0]


def _splits(instrument: Instrument, days: Integers, unsplit: Floats) -> tuple[Split, ...]:
    """A share that got dear is split at the next session, one that got cheap is merged. Nothing looks ahead."""
    found: list[Split] = []
    factor, start = 1.0, 0
    while start + 1 < len(days):
        quoted = unsplit[start:-1] * factor
        beyond = (quoted > instrument.split_above) | (quoted < instrument.merge_below)
        at = int(beyond.argmax())
        if not beyond[at]:
            break
        dear = quoted[at] > instrument.split_above
        start += at + 1
        choices = _SPLITS if dear else _MERGERS
        split = Split(day_of(int(days[start])), *choices[int(days[start]) % len(choices)])
        found.append(split)
        factor *= split.factor
    return tuple(found)


def _payouts(instrument: Instrument, ex_days: Integers, unsplit_before: Floats, so_far: Floats) -> Payouts:
    """A part of the close before the ex-date. `so_far` are the split factors of the day before and of the ex-date."""
    quoted = (unsplit_before * so_far[0]).round(instrument.decimals)
    basis = quoted * (so_far[1] / so_far[0])  # in shares of the ex-date
    amounts = np.maximum((basis * instrument.quarterly_yield).round(4), 0.0001)
    return Payouts(ex_days, amounts, 1.0 - amounts / basis)


def _events(splits: tuple[Split, ...], split_days: Integers, payouts: Payouts) -> tuple[Integers, Floats]:
    event_days, factors = split_days, np.array([s.factor for s in splits])
    if len(payouts.ex_days):
        event_days = np.concatenate([split_days, payouts.ex_days])
        order = event_days.argsort(kind="stable")
        event_days, factors = event_days[order], np.concatenate([factors, payouts.factors])[order]
    later = np.ones(len(factors) + 1)
    later[:-1] = factors[::-1].cumprod()[::-1]
    return event_days, later
