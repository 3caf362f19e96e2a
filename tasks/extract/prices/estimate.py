"""What fetching a long range would take: calls, days of the source's quota, hours, and what the machines cost.

A simulation: machines take windows in their order and share the source's rate limit; when the day's quota is used up,
they are given back until the next day begins."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tasks.errors import ConfigurationError
from tasks.extract.rate_limit import requests_per_second
from tasks.sessions.trading_days import SESSIONS_PER_DAY
from tasks.window import Window

_DAY = 86_400.0


@dataclass(frozen=True)
class SourceTerms:
    """What the source allows, and what machines do and cost."""

    machines: int
    requests_per_minute: float
    calls_per_day: int  # the source's quota
    seconds_to_start: float = 240.0  # of a machine that has to be allocated, booted and given the image
    rows_per_second: float = 100_000.0  # that one machine curates
    price_per_hour: float = 0.0  # of one machine


@dataclass(frozen=True)
class Estimate:
    windows: int
    calls: int
    rows: int
    duration: timedelta  # from the first start to the last end, waits for the quota included
    machine_hours: float
    cost: float  # in the currency of the price


def estimate(windows: Sequence[Window], codes: int, terms: SourceTerms) -> Estimate:
    """What fetching so many codes over these windows takes, one call per code and window.

    Raises ConfigurationError for terms under which nothing would ever be fetched."""
    if min(terms.machines, terms.requests_per_minute, terms.calls_per_day) < 1:
        raise ConfigurationError(
            f"With {terms.machines} machines, {terms.requests_per_minute} requests a minute and {terms.calls_per_day} "
            "calls a day nothing is ever fetched. Give 1 or more of each."
        )
    duration, used = _simulate(windows, codes, terms)
    rows = sum(_rows(window, codes) for window in windows)
    hours = used / 3600
    return Estimate(
        len(windows),
        codes * len(windows),
        rows,
        timedelta(seconds=round(duration)),
        hours,
        hours * terms.price_per_hour,
    )


def _rows(window: Window, codes: int) -> int:
    return round(codes * window.days * SESSIONS_PER_DAY)


def _simulate(windows: Sequence[Window], codes: int, terms: SourceTerms) -> tuple[float, float]:
    """Seconds from start to end, and seconds that machines were in use. The source answers calls in their order, so
    together the machines fetch at its rate; a window is curated by the machine that fetched it."""
    per_second = requests_per_second(terms.requests_per_minute)
    free_at = [terms.seconds_to_start] * min(terms.machines, len(windows))
    heapq.heapify(free_at)
    source_free, today, resumed, used = 0.0, 0, 0.0, len(free_at) * terms.seconds_to_start
    for window in windows:
        begun = max(heapq.heappop(free_at), resumed)
        clock = max(begun, source_free)
        left = codes
        while left:
            if today == terms.calls_per_day:
                used += clock - begun  # then it is given back
                begun = clock = resumed = (clock // _DAY + 1) * _DAY
                today = 0
            some = min(left, terms.calls_per_day - today)
            clock, today, left = clock + some / per_second, today + some, left - some
        source_free = clock
        ended = clock + _rows(window, codes) / terms.rows_per_second
        used += ended - begun
        heapq.heappush(free_at, ended)
    return max(free_at, default=0.0), used
