"""Long random lives of an exchange, run by run, and after each run: does the lake say what the source says?

A run leaves no trace of the way to it: prices, measures and warehouse are those that one run makes of the source as it
is now, for all days that were ever asked for."""

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from tasks.datasets import PRICE_MEASURES, PRICES, shard_of
from tasks.transform.weekly_measures import measures, weekly
from tasks.window import Window
from tests.flows.living_source.exchange import EXCHANGE, Exchange, Listing
from tests.flows.living_source.pipeline import Pipeline

KINDS = (
    "split",
    "dividend",
    "late_split",
    "halt",
    "delist",
    "relist",
    "relist_another",
    "rename",
    "revise",
    "withdraw",
    "bring_back",
    "set_to_null",
    "rescale",
    "crash",
    "missed",
    "again",
    "failure",
    "no_lag",
)
_BARS = ["open", "high", "low", "close", "adjusted_close", "volume"]


class Life:
    """One sequence. `kinds` are what may happen on it; `story` is what did, for whoever has to find out why."""

    def __init__(self, seed: int, folder: Path, *, bulk: bool = False, kinds: Sequence[str] = KINDS) -> None:
        self.random = random.Random(seed)
        self.kinds = set(kinds)
        self.bulk = bulk
        self.story: list[str] = [f"seed {seed}, {'bulk' if bulk else 'by code'}"]
        start = date(2023, self.random.choice([2, 10, 11]), 6)
        self.exchange = Exchange(start, digits=self.random.choice([2, 4, 4, 6]))
        self.pipeline = Pipeline(folder, self.exchange)
        self._names = _names()
        for price in (0.004, 0.3, 7.0, 80.0, 900.0, 5000.0):
            self._list(max(price, 40 * 10**-self.exchange.digits))
        self.asked: dict[str, set[date]] = {}
        self.expected: dict[str, pl.DataFrame] = {}
        self.last = start
        self.windows: list[Window] = []

    def live(self, runs: int) -> None:
        first = self.random.randint(15, 60)
        self._advance(self.last + timedelta(days=first), calm=True)
        self._run(Window(first=self.last, last=self.exchange.as_of))
        for _ in range(runs):
            self._step()

    # One step: the schedule, what happens until then, and the run.

    def _step(self) -> None:
        if self._may("again", 0.15):
            window = self.random.choice(self.windows)
            self._advance(self.exchange.as_of + timedelta(days=self.random.randint(1, 9)))
            self._change_days(window)
            self._run(window, refetch=True)
            return
        skipped = self.random.choice([1, 2, 5]) * 7 if self._may("missed", 0.25) else 0
        lag = 0 if self._may("no_lag", 0.15) else 7
        last = self.windows_end() + timedelta(days=7 + skipped)
        window = Window(first=last - timedelta(days=6 + lag), last=last)
        self._advance(last)
        self._change_days(window)
        if self._may("failure", 0.2):
            codes = self._codes()
            self._run(window, broken=set(self.random.sample(codes, self.random.randint(1, 2))))
        self._run(window)

    def windows_end(self) -> date:
        return max(window.last for window in self.windows)

    def _may(self, kind: str, chance: float) -> bool:
        return kind in self.kinds and self.random.random() < chance

    def _codes(self) -> list[str]:
        return sorted({f"{name}.{EXCHANGE}" for name in self.exchange.listings} | set(self.asked))

    # What happens on the exchange.

    def _list(self, price: float) -> str:
        name = next(self._names)
        self.exchange.listings[name] = Listing(price)
        return name

    def _advance(self, day: date, *, calm: bool = False) -> None:
        today = self.exchange.as_of
        while today < day:
            today += timedelta(days=1)
            if today.weekday() < 5:
                for name in list(self.exchange.listings):
                    self._session(name, self.exchange.listings[name], today, calm=calm)
        self.exchange.as_of = day

    def _session(self, name: str, of: Listing, today: date, *, calm: bool) -> None:
        if not calm:
            self._happen(name, of, today)
        if not of.listed:
            return
        if of.halted:
            of.halted -= 1
            return
        least = 10**-self.exchange.digits
        of.price = max(of.price * (1 + self.random.uniform(-0.03, 0.03)), 4 * least)
        of.quoted[today] = (round(of.price, self.exchange.digits), self.random.randint(100, 100_000) * 100)

    def _happen(self, name: str, of: Listing, today: date) -> None:
        if self._may("split", 0.012):
            self._split(name, of, today)
        if of.price > 1 and self._may("crash", 0.004):
            of.price *= 0.005
            self._tell(f"{today}: {name} loses nearly all of its worth")
        if self._may("dividend", 0.02):
            self._pay(name, of, today)
        if of.listed and self._may("halt", 0.02):
            of.halted = self.random.choice([1, 3, 8, 12, 30])
            self._tell(f"{today}: {name} halts for {of.halted} sessions")
        if of.listed and self._may("delist", 0.006):
            of.listed = False
            self._tell(f"{today}: {name} is delisted")
        elif not of.listed and self._may("relist", 0.05):
            of.listed = True
            self._tell(f"{today}: {name} is listed again")
        elif not of.listed and self._may("relist_another", 0.03):
            self.exchange.listings[name] = Listing(self.random.choice([0.5, 20.0]))
            self._tell(f"{today}: {name} is another company's now")
        if self._may("rename", 0.003):
            new = next(self._names)
            self.exchange.listings[new] = self.exchange.listings.pop(name)
            self._tell(f"{today}: {name} is renamed {new}")
        if self._may("rescale", 0.008):
            self._rescale(name, of, today)

    def _split(self, name: str, of: Listing, day: date) -> None:
        """Prices from the day on are of the new shares."""
        factor = self.random.choice([0.5, 1 / 3, 0.25, 2 / 3] if of.price > 100 * 10**-self.exchange.digits else [10.0])
        of.splits.append((day, factor))
        of.price *= factor
        for later in [d for d in of.quoted if d >= day]:
            close, volume = of.quoted[later]
            of.quoted[later] = (round(close * factor, self.exchange.digits) or close, volume)
        self._tell(f"{day}: {name} splits by {factor:.4g}")

    def _pay(self, name: str, of: Listing, day: date) -> None:
        """Enough for the exchange to show it on one of the days that were asked for: less no one can see."""
        before = [d for d in of.quoted if d < day]
        if not before:
            return
        close = of.quoted[max(before)][0]
        stored = self.expected.get(f"{name}.{EXCHANGE}", PRICES.polars_schema.to_frame())
        told = stored.filter(pl.col("date") < self.windows[-1].first - timedelta(days=60))
        highest = max([close * of.unit, *told["adjusted_close"]]) if self._may("crash", 1) else close * of.unit
        share = max(self.random.choice([0.003, 0.01, 0.05]), 4 * 10**-self.exchange.digits / highest)
        if share > 0.5:
            return
        of.dividends.append((day, 1 - share))
        self._tell(f"{day}: {name} pays {share:.3%} of {close}")

    def _rescale(self, name: str, of: Listing, today: date) -> None:
        lowest = min((close for close, _ in of.quoted.values()), default=0) * of.unit
        factor = 0.01 if lowest > 300 * 10**-self.exchange.digits else 100.0
        of.unit *= factor
        self._tell(f"{today}: {name} is told in another unit, times {factor}")

    def _change_days(self, window: Window) -> None:
        """What the source says otherwise of days that the next run asks for."""
        for name, of in self.exchange.listings.items():
            days = [d for d in of.quoted if window.first <= d <= window.last]
            for day in days:
                if self._may("revise", 0.04):
                    close, volume = of.quoted[day]
                    of.quoted[day] = (round(close * self.random.uniform(0.9, 1.1), self.exchange.digits), volume + 7)
                    self._tell(f"{name} {day} is revised from {close} to {of.quoted[day][0]}")
                for kind, some in (("withdraw", of.withdrawn), ("set_to_null", of.empty)):
                    if day in some and self._may("bring_back", 0.3):
                        some.discard(day)
                        self._tell(f"{name} {day}: {kind} is taken back")
                    elif day not in some and self._may(kind, 0.04):
                        some.add(day)
                        self._tell(f"{name} {day}: {kind}")
            if days and self._may("late_split", 0.05):
                self._split(name, of, self.random.choice(days))

    def _tell(self, what: str) -> None:
        self.story.append(what)

    # The run, and what must be there after it.

    def _run(self, window: Window, *, refetch: bool = False, broken: set[str] | None = None) -> None:
        self.pipeline.broken = broken or set()
        self._tell(f"run {window}{' again' if refetch else ''}{f' without {broken}' if broken else ''}")
        self.pipeline.run(None if self.bulk else self._codes(), window, refetch=refetch)
        if window not in self.windows:
            self.windows.append(window)
        for code, span in self.pipeline.asked:
            days = {span.first + timedelta(days=n) for n in range(span.days)}
            self.asked.setdefault(code, set()).update(days)
        for code in {code for code, _ in self.pipeline.asked} - self.pipeline.broken:
            # Of which the source gives nothing at all it may have lost sight: what is stored stays.
            if code not in self.expected or not self._given(code).is_empty():
                self.expected[code] = self._truth(code)
        self._check()

    def _truth(self, code: str) -> pl.DataFrame:
        """Of the days that were ever asked for, what the source says now and the contract takes."""
        usable = pl.all_horizontal((pl.col(n).is_not_null() & (pl.col(n) > 0)) for n in _BARS[:-1])
        return self._given(code).filter(usable).select(pl.lit(code).alias("code"), pl.all())

    def _given(self, code: str) -> pl.DataFrame:
        bars = self.exchange.bars(code, date.min, date.max)
        assert bars is not None
        return bars.filter(pl.col("date").is_in(pl.Series(sorted(self.asked[code]), dtype=pl.Date).implode()))

    def _check(self) -> None:
        prices = pl.concat(list(self.expected.values())).sort("code", "date").select(list(PRICES.table_columns))
        made = measures(weekly(prices.lazy())).select(PRICE_MEASURES.polars_schema.names()).collect()
        story = "\n".join(self.story)
        for found in (self.pipeline.lake_rows, self.pipeline.table_rows):
            _same(found(), prices, f"prices in {found.__name__}\n{story}", exact=True)
            _same(found(PRICE_MEASURES), made.sort("code", "week"), f"measures in {found.__name__}\n{story}")


def _names() -> Iterator[str]:
    """Codes of two shards: with fewer partitions to write, more sequences fit into a minute."""
    return (name for n in itertools.count() if shard_of(f"{(name := f'C{n}')}.{EXCHANGE}", PRICES.shards) < 2)


def _same(found: pl.DataFrame, expected: pl.DataFrame, what: str, *, exact: bool = False) -> None:
    try:
        assert_frame_equal(found, expected, check_exact=exact, abs_tol=1e-7, rel_tol=1e-6)
    except AssertionError as error:
        key = found.columns[:2]
        lost, kept = expected.join(found, on=key, how="anti"), found.join(expected, on=key, how="anti")
        both = expected.join(found, on=key, suffix="_stored").filter(
            pl.any_horizontal(pl.col(n).ne_missing(pl.col(f"{n}_stored")) for n in expected.columns[2:])
        )
        raise AssertionError(f"{what}\nlost {lost}\nkept {kept}\ndiffering {both}\n{error}") from None
