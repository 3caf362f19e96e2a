"""The rule of what is missing: by code and day, from the answers that are kept, as of when they were given."""

from collections.abc import Mapping
from datetime import date, datetime

import polars as pl

from tasks.sessions.closing_times import AsOf, last_day_over
from tasks.sessions.trading_days import exchange_of, sessions
from tasks.window import Window

SETTLING = ("fetched", "empty", "unknown")  # outcomes that settle the days that were asked for


def missing(
    answers: pl.DataFrame,
    wanted: Mapping[str, Window],
    as_of: AsOf,
) -> dict[str, Window]:
    """Of the codes and days that are wanted those that no answer settles: from the first to the last such session.

    Of `code, outcome, fetched_at, asked_first, asked_last`. An answer is as of when it was given: it says nothing of a
    day that was not over then, by the exchange's clock and the source's delay. No day is missing before it is over."""
    settled = _settled(answers, as_of)
    found = {}
    for code, window in wanted.items():
        days = due(exchange_of(code), window, as_of)
        if days := _outside(days, settled.get(code, [])):
            found[code] = Window(first=days[0], last=days[-1])
    return found


def to_ask(
    answers: pl.DataFrame,
    wanted: Mapping[str, Window],
    as_of: AsOf,
) -> dict[str, Window]:
    """The codes to ask for the whole of what is wanted: of which something is missing, or nobody has asked for all.

    So a source is asked once also for days on which there should be no session, or that are not over yet."""
    lacking = missing(answers, wanted, as_of)
    asked: dict[str, _Spans] = {}
    for code, first, last in _counting(answers, as_of).select("code", "asked_first", "asked_last").iter_rows():
        asked.setdefault(code, []).append((first, last))
    return {
        code: span
        for code, span in wanted.items()
        if code in lacking or not any(f <= span.first and span.last <= last for f, last in asked.get(code, []))
    }


_Spans = list[tuple[date, date]]


def _settled(answers: pl.DataFrame, as_of: AsOf) -> dict[str, _Spans]:
    spans: dict[str, _Spans] = {}
    over: dict[tuple[str, datetime], date] = {}
    columns = ["code", "fetched_at", "asked_first", "asked_last"]
    for code, given_at, first, last in _counting(answers, as_of).select(columns).iter_rows():
        key = exchange_of(code), given_at
        until = over.get(key) or over.setdefault(key, last_day_over(*key, as_of.delay))
        spans.setdefault(code, []).append((first, min(last, until)))
    return spans


def _counting(answers: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    counting = answers.filter(pl.col("outcome").is_in(SETTLING))
    return counting.filter(pl.col("fetched_at") >= as_of.since) if as_of.since else counting


def due(exchange: str, window: Window, as_of: AsOf) -> list[date]:
    """The sessions of the window that are over."""
    last = as_of.last_day_of(exchange, window)
    return sessions(exchange, window.first, last) if last else []


def _outside(days: list[date], spans: _Spans) -> list[date]:
    if not days or any(first <= days[0] and days[-1] <= last for first, last in spans):
        return []
    return [day for day in days if not any(first <= day <= last for first, last in spans)]
