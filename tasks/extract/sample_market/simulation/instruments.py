"""The simulated instruments: their names, and the traits from which all of their history follows."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import permutations

from tasks.errors import ConfigurationError
from tasks.extract.sample_market.simulation.randomness import key, units
from tasks.sessions.trading_days import exchange_of

FIRST_DAY = date(2000, 1, 3)
WELL_KNOWN = ("AAPL", "MSFT", "AMZN", "TSLA", "VTI")
OTHER_EXCHANGES = ("BTC-USD.CC", "EURUSD.FOREX")
MOST_CODES = 34_000


@dataclass(frozen=True, slots=True)
class Instrument:
    """Volatility and drift are per session; a dividend is `quarterly_yield` of the price, 0 for none."""

    code: str
    stream: int  # the key of the random series of its walk
    day_stream: int  # and of what else happens on a day
    listed: date
    delisted: date | None  # the first day without it
    price: float  # of the first session
    volatility: float
    drift: float
    beta: float  # how much of the market's return is in its own
    volume: float  # of a usual session, before splits
    flat_share: float  # of the sessions without a trade
    split_above: float
    merge_below: float
    quarterly_yield: float
    dividend_phase: int  # day of the quarter
    decimals: int = 2

    @property
    def exchange(self) -> str:
        return exchange_of(self.code)


def code_names(size: int) -> list[str]:
    """So many tickers: the well-known ones, then four letters each. More of them begin with the same ones."""
    if not 1 <= size <= MOST_CODES:
        raise ConfigurationError(f"A sample market of {size} codes cannot be made. Ask for 1 to {MOST_CODES}.")
    letters = ("".join((*three, vowel)) for three in permutations(_LETTERS, 3) for vowel in _VOWELS)
    names = [name for name in letters if name not in WELL_KNOWN]
    # 7919 is prime and no divisor of the number of names: each is met once, in an order that looks like none.
    mixed = (names[i * 7919 % len(names)] for i in range(size - len(WELL_KNOWN)))
    return [*WELL_KNOWN[:size], *mixed]


def instrument(seed: int, code: str) -> Instrument:
    """The traits of a code with its suffix: a function of these two alone."""
    if code in OTHER_EXCHANGES:
        return _currency(seed, code)
    u = units(15, seed, "traits", code)
    known = code.partition(".")[0] in WELL_KNOWN
    listed, delisted = (FIRST_DAY, None) if known else _life(u[0], u[1], u[2])
    return Instrument(
        code=code,
        stream=key(seed, "walk", code),
        day_stream=key(seed, "day", code),
        listed=listed,
        delisted=delisted,
        price=round(6 + 130 * u[3] * u[3], 2),
        volatility=0.006 + 0.016 * u[4],
        drift=0.0001 + 0.0002 * u[5],
        beta=0.4 + 0.9 * u[6],
        volume=10.0 ** int(4 + 3 * u[7]) * (1 + 9 * u[8]),
        flat_share=0.03 if u[9] < 0.05 else 0.0002,
        split_above=120 + 500 * u[10],
        merge_below=1.0 + 2 * u[11],
        quarterly_yield=0.001 + 0.011 * u[12] if u[13] < 0.4 else 0.0,
        dividend_phase=int(91 * u[14]),
    )


_VOWELS = "AEIOU"
_LETTERS = "BCDFGHJKLMNPRSTVWXYZ"
_LISTINGS_UNTIL = date(2030, 1, 1)  # fixed, so that no listing depends on the day on which somebody asks


def _life(kind: float, start: float, end: float) -> tuple[date, date | None]:
    """Nine in a hundred come later, six in a hundred go, most are there all the time."""
    span = (_LISTINGS_UNTIL - FIRST_DAY).days
    listed = FIRST_DAY + timedelta(days=int(span * start)) if kind < 0.09 else FIRST_DAY
    if not 0.07 <= kind < 0.13:
        return listed, None
    left = (_LISTINGS_UNTIL - listed).days
    return listed, listed + timedelta(days=90 + int(left * end))


def _currency(seed: int, code: str) -> Instrument:
    """A pair that trades for ever, without splits and dividends."""
    forex = exchange_of(code) == "FOREX"
    return Instrument(
        code=code,
        stream=key(seed, "walk", code),
        day_stream=key(seed, "day", code),
        listed=FIRST_DAY,
        delisted=None,
        price=1.08 if forex else 300.0,
        volatility=0.004 if forex else 0.012,
        drift=0.0 if forex else 0.0002,
        beta=0.0,
        volume=150000.0 if forex else 25000000.0,
        flat_share=0.0,
        split_above=float("inf"),
        merge_below=0.0,
        quarterly_yield=0.0,
        dividend_phase=0,
        decimals=4 if forex else 2,
    )
