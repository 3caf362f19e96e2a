"""Checks of prices by the sessions of their exchanges: those that most codes lack, and bars of days that are none."""

from datetime import timedelta

import polars as pl

from tasks.quality.checks import Check, listed
from tasks.sessions.trading_days import is_closed, knows, sessions
from tasks.window import Window

_ALIVE = timedelta(days=14)  # that a code counts beyond its first and its last bar


def lacking(per_session: pl.DataFrame, spans: pl.DataFrame, window: Window, limit: float) -> Check:
    """Sessions of the window that a larger share of an exchange's codes lack than `limit`.

    Of `exchange, date, rows`, and `code, exchange, first, last`: the first and the last bar of each code. Counted are
    the codes that traded about then, and how many of those have a bar on a usual session."""
    found = pl.concat([_NONE, *(_shares(per_session, spans, name) for name in sorted({*spans["exchange"]}))])
    few = found.filter(pl.col("date").is_between(window.first, window.last), pl.col("lacking") > limit)
    named = [f"{name} {day} ({share:.0%} of {codes} codes)" for name, day, codes, share in few.rows()]
    return Check("sessions", "warning", not named, float(len(named)), 0.0, listed("sessions that codes lack", named))


_NONE = pl.DataFrame(schema={"exchange": pl.String, "date": pl.Date, "codes": pl.Int64, "lacking": pl.Float64})


def _shares(per_session: pl.DataFrame, spans: pl.DataFrame, exchange: str) -> pl.DataFrame:
    """What share of the codes lacks each session between the first and the last that anyone has."""
    mine = spans.filter(pl.col("exchange") == exchange)
    first, last = mine.select(pl.col("first").min(), pl.col("last").max()).row(0)
    days = pl.DataFrame({"date": sessions(exchange, first, last)}, schema={"date": pl.Date})
    begun = (mine["first"] - _ALIVE).sort().search_sorted(days["date"], side="right").cast(pl.Int64)
    ended = (mine["last"] + _ALIVE).sort().search_sorted(days["date"], side="left").cast(pl.Int64)
    rows = per_session.filter(pl.col("exchange") == exchange).select("date", "rows")
    found = days.with_columns(codes=begun - ended).join(rows, on="date", how="left", maintain_order="left")
    share = pl.col("rows").fill_null(0) / pl.col("codes")
    usual = share.filter(pl.col("rows") > 0).median()
    # Where no calendar is known, a weekday that nobody traded on was a holiday.
    told = pl.col("rows").is_not_null() | pl.col("date").map_elements(lambda d: knows(exchange, d), pl.Boolean)
    lack = found.filter(told).with_columns(exchange=pl.lit(exchange), lacking=1 - share / usual)
    return lack.select(_NONE.columns)


def off_session(bars: pl.DataFrame) -> Check:
    """Bars of days, as `find_off_session` finds them, on which their exchange was closed."""
    named = [f"{code} {day}" for code, day in bars.rows()]
    detail = listed("bars of days without a session", named)
    return Check("off_session", "warning", not named, float(len(named)), 0.0, detail)


def find_off_session(prices: pl.DataFrame) -> pl.DataFrame:
    """`code, date` of the bars on whose day their `exchange` was closed."""
    days = prices.select("exchange", "date").unique()
    closed = [(name, day) for name, day in days.rows() if is_closed(name, day)]
    schema = {"exchange": pl.String, "date": pl.Date}
    return prices.join(pl.DataFrame(closed, schema=schema, orient="row"), on=["exchange", "date"]).select(
        "code", "date"
    )
