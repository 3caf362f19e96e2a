"""Checks of a window of `curated/prices` as a whole: pure functions of frames. `prices.py` has the list of all.

Each gives a Check: a value, the threshold it was held against, and what was found. A failed error stops the load, a
failed warning is recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

from tasks.lake.fetches import MISSING
from tasks.reasons import grouped

Severity = Literal["error", "warning"]

_TOLD = ("code", "outcome", "reason")
_NAMED = 20  # codes or rows at most in a detail
_JUMP = 0.5  # of a day's adjusted close, up or down
_FEWEST_ROWS = 0.5  # per session, of what the sessions before had


@dataclass(frozen=True)
class Limits:
    """What a user may set: beyond these a check warns."""

    codes_silent: float = 0.1  # share of the codes that may come without bars, though they trade, before it stops
    codes_missing: float = 0.5  # share of an exchange's codes that may lack a session
    standstill: int = 20  # sessions at no volume and the same close
    adjustment: float = 0.05  # of a step of adjusted_close / close that the close does not show


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Check:
    check: str
    severity: Severity
    passed: bool
    value: float | None
    threshold: float | None
    detail: str


def stored_rows(rows: int, *, due: bool) -> Check:
    """How many rows there are: none at all where some are due is an error, for nothing else could fail of them."""
    detail = f"{rows} rows stored" if rows or due else "0 rows stored, and none is due in these days"
    return Check("rows", "error", rows > 0 or not due, float(rows), 1.0, detail)


def contract(broken: Mapping[str, int]) -> Check:
    """Rows that break the contract by what they break, counted once for each: the contract may be younger than they."""
    found = [f"{rule.replace('|', ' ')}: {rows} rows" for rule, rows in sorted(broken.items()) if rows]
    total = float(sum(broken.values()))
    return Check("contract", "error", not found, total, 0.0, listed("rules broken", found))


def measured(without: pl.DataFrame, too_many: pl.DataFrame) -> Check:
    """Keys that have no measure, and measures that are of nothing: the measures are not those of what is stored."""
    found = [" ".join(map(str, key)) for key in without.rows()]
    found += [f"{' '.join(map(str, key))} (of nothing)" for key in too_many.rows()]
    return Check("measured", "error", not found, float(len(found)), 0.0, listed("keys disagree", found))


def completeness(fetches: pl.DataFrame, most_silent: float = DEFAULT_LIMITS.codes_silent) -> Check:
    """The share of the codes asked for that no usable answer came for. Of `code, outcome, reason`, one row per code.

    A warning, for the others are good; an error when it is all of them, or when a larger share than `most_silent` came
    without bars though they trade."""
    missing = fetches.filter(pl.col("outcome").is_in(MISSING)).sort("code")
    share = missing.height / fetches.height if fetches.height else 0.0
    named = grouped((code, f"{outcome}: {reason}") for code, outcome, reason in missing.select(_TOLD).iter_rows())
    detail = f"{missing.height} missing{': ' if named else ''}{named}"[:1000]
    silent = missing.filter(pl.col("outcome") == "missing").height
    is_error = share == 1 or silent > most_silent * fetches.height
    return Check("completeness", "error" if is_error else "warning", not named, share, 0.0, detail)


def freshness(latest: pl.DataFrame, expected: pl.DataFrame) -> Check:
    """Days that the exchange which is furthest behind is behind its last session of the window.

    Of `code, exchange, date`, each code's last session in the window, and `exchange, expected`, null for an exchange
    that was closed all the time. Codes that stopped before the others are named; they may have been delisted."""
    awaited = expected.drop_nulls().join(latest, on="exchange", how="left")
    newest = awaited.group_by("exchange").agg(pl.col("expected").first(), pl.col("date").max()).sort("exchange")
    behind = newest.filter(pl.col("date") < pl.col("expected"))
    silent = newest.filter(pl.col("date").is_null()).get_column("exchange").to_list()
    found = [f"no prices of {name}" for name in silent]
    found += [f"last session of {name} {last}, expected {day}" for name, day, last in behind.rows()]
    stopped = awaited.filter(pl.col("date") < pl.col("expected")).sort("date", "code").select("code", "date")
    found.append(listed("codes without the last session", [f"{code} (last {day})" for code, day in stopped.rows()]))
    days = max(((day - last).days for _, day, last in behind.rows()), default=0)
    value = None if silent else float(days)
    return Check("freshness", "warning", value == 0, value, 0.0, "; ".join(found)[:1000])


def duplicates(repeated: int) -> Check:
    """Rows that share code and date with another, as `count_repeated` counts them."""
    return Check("duplicates", "error", repeated == 0, float(repeated), 0.0, f"{repeated} rows too many")


def count_repeated(prices: pl.DataFrame) -> int:
    return prices.height - prices.select(pl.struct("code", "date").n_unique()).item() if prices.height else 0


def ohlc_order(disordered: pl.DataFrame, bars: int) -> Check:
    """The share of the bars that are `disordered`."""
    share = disordered.height / bars if bars else 0.0
    named = [f"{code} {day}" for code, day in disordered.rows()]
    return Check("ohlc_order", "warning", not named, share, 0.0, listed("bars", named))


def find_disordered(prices: pl.DataFrame) -> pl.DataFrame:
    """`code, date` of the bars whose high is not the highest or whose low is not the lowest of the four."""
    highest, lowest = pl.max_horizontal("open", "low", "close"), pl.min_horizontal("open", "high", "close")
    return prices.filter((pl.col("high") < highest) | (pl.col("low") > lowest)).select("code", "date")


def jumps(found: pl.DataFrame) -> Check:
    """Days on which an adjusted close jumped, as `find_jumps` finds them."""
    named = [f"{code} {day} {change:+.0%}" for code, day, change in found.rows()]
    return Check("jumps", "warning", not named, float(len(named)), 0.0, listed("jumps", named))


def find_jumps(prices: pl.DataFrame) -> pl.DataFrame:
    """`code, date, change` of the days on which the adjusted close is more than half as high or low again as before.

    Adjusted closes run on through splits, so that a jump is a crash, a fault, or a split that the source did not
    adjust for."""
    change = pl.col("adjusted_close") / pl.col("adjusted_close").shift(1).over("code") - 1
    found = prices.sort("code", "date").select("code", "date", change=change)
    return found.filter(pl.col("change").abs() > _JUMP)


def standstill(found: pl.DataFrame, limit: int) -> Check:
    """Prices that stood still, as `find_standstills` finds them."""
    named = [f"{code} ({sessions} sessions up to {last})" for code, last, sessions in found.rows()]
    detail = listed("prices stood still at no volume", named)
    return Check("standstill", "warning", not named, float(len(named)), float(limit), detail)


def find_standstills(prices: pl.DataFrame, limit: int) -> pl.DataFrame:
    """`code, date, sessions` of closes that were the same at no volume for more sessions than the limit, and how many.

    The date is the last of these: a source that has lost sight of a code may repeat its last bar for ever."""
    still = (pl.col("volume") == 0) & (pl.col("close") == pl.col("close").shift(1).over("code"))
    ordered = prices.sort("code", "date").with_columns(still=still.fill_null(value=False))
    runs = ordered.with_columns(run=(~pl.col("still")).cum_sum().over("code")).filter("still")
    found = runs.group_by("code", "run").agg(pl.col("date").max(), sessions=pl.len().cast(pl.Int64))
    return found.filter(pl.col("sessions") > limit).select("code", "date", "sessions").sort("code", "date")


def row_count(per_session: pl.DataFrame, expected: pl.DataFrame, window_first: date) -> Check:
    """Rows per session of the window, as a share of what the sessions before it had. Medians, summed over exchanges.

    Of `exchange, date, rows`, and `exchange, expected` as for `freshness`: of exchanges that were closed no rows are
    expected. Passes when nothing came before. An error below one half: the source has lost a part of the market."""
    is_within = pl.col("date") >= window_first
    rows = pl.col("rows")
    medians = per_session.group_by("exchange").agg(
        before=rows.filter(~is_within).median(), within=rows.filter(is_within).median().fill_null(0)
    )
    compared = expected.drop_nulls().join(medians, on="exchange").filter(pl.col("before") > 0)
    if compared.is_empty():
        detail = "no sessions before to compare with"
        return Check("row_count", "error", passed=True, value=None, threshold=_FEWEST_ROWS, detail=detail)
    within, before = compared.select(pl.col("within").sum(), pl.col("before").sum()).row(0)
    detail = f"{within:.0f} rows per session, {before:.0f} before"
    return Check("row_count", "error", within >= _FEWEST_ROWS * before, within / before, _FEWEST_ROWS, detail)


def listed(what: str, found: Sequence[str]) -> str:
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{len(found)} {what}{': ' if found else ''}{', '.join(found[:_NAMED])}{more}"[:1000]
