"""Checks of a window of `curated/prices` as a whole: pure functions of frames.

Each gives a Check: a value, the threshold it was held against, and what was found. A failed error stops the load, a failed
warning is recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

Severity = Literal["error", "warning"]

_NAMED = 20  # codes or rows at most in a detail
_JUMP = 0.5  # of a day's adjusted close, up or down
_FEWEST_ROWS = 0.5  # per session, of what the sessions before had


@dataclass(frozen=True)
class Check:
    check: str
    severity: Severity
    passed: bool
    value: float | None
    threshold: float | None
    detail: str


def completeness(fetches: pl.DataFrame) -> Check:
    """The share of the codes asked for that no usable answer came for. Of `code, outcome, reason`, one row per code.

    A warning, for the others are good; an error when it is all of them."""
    missing = fetches.filter(pl.col("outcome").is_in(["unknown", "refused", "failed"])).sort("code")
    share = missing.height / fetches.height if fetches.height else 0.0
    named = [
        f"{code} ({outcome}: {reason})" for code, outcome, reason in missing.select("code", "outcome", "reason").rows()
    ]
    return Check("completeness", "error" if share == 1 else "warning", not named, share, 0.0, _listed("missing", named))


def freshness(latest: pl.DataFrame, expected: date) -> Check:
    """Days that the last session in the lake is behind the expected one. Of `code, date`, the last session of each code."""
    newest: date | None = latest.get_column("date").max()  # type: ignore[assignment]  # polars cannot know that it is a date
    if newest is None:
        return Check("freshness", "warning", passed=False, value=None, threshold=0.0, detail="there are no prices")
    stale = latest.filter(pl.col("date") < expected).sort("date", "code")
    behind = max(0, (expected - newest).days)
    ended = [f"{code} (last {day})" for code, day in stale.rows()]
    detail = f"last session {newest}, expected {expected}; {_listed('codes without it', ended)}"
    return Check("freshness", "warning", behind == 0, float(behind), 0.0, detail[:1000])


def duplicates(repeated: int) -> Check:
    """Rows that share code and date with another, as `count_repeated` counts them."""
    return Check("duplicates", "error", repeated == 0, float(repeated), 0.0, f"{repeated} rows too many")


def count_repeated(prices: pl.DataFrame) -> int:
    return prices.height - prices.select(pl.struct("code", "date").n_unique()).item() if prices.height else 0


def ohlc_order(disordered: pl.DataFrame, bars: int) -> Check:
    """The share of the bars that are `disordered`."""
    share = disordered.height / bars if bars else 0.0
    named = [f"{code} {day}" for code, day in disordered.rows()]
    return Check("ohlc_order", "warning", not named, share, 0.0, _listed("bars", named))


def find_disordered(prices: pl.DataFrame) -> pl.DataFrame:
    """`code, date` of the bars whose high is not the highest or whose low is not the lowest of the four."""
    highest, lowest = pl.max_horizontal("open", "low", "close"), pl.min_horizontal("open", "high", "close")
    return prices.filter((pl.col("high") < highest) | (pl.col("low") > lowest)).select("code", "date")


def jumps(found: pl.DataFrame) -> Check:
    """Days on which an adjusted close jumped, as `find_jumps` finds them."""
    named = [f"{code} {day} {change:+.0%}" for code, day, change in found.rows()]
    return Check("jumps", "warning", not named, float(len(named)), 0.0, _listed("jumps", named))


def find_jumps(prices: pl.DataFrame) -> pl.DataFrame:
    """`code, date, change` of the days on which the adjusted close is more than half as high or low again as before.

    Adjusted closes run on through splits, so that a jump is a crash, a fault, or a split that the source did not adjust."""
    change = pl.col("adjusted_close") / pl.col("adjusted_close").shift(1).over("code") - 1
    found = prices.sort("code", "date").select("code", "date", change=change)
    return found.filter(pl.col("change").abs() > _JUMP)


def row_count(per_session: pl.DataFrame, window_first: date) -> Check:
    """Rows per session of the window, as a share of the median of the sessions before it. Of `date, rows`.

    Passes when nothing came before. An error below one half: then the source has lost a good part of the market."""
    before = per_session.filter(pl.col("date") < window_first).get_column("rows").median()
    within = per_session.filter(pl.col("date") >= window_first).get_column("rows").median()
    if not isinstance(before, float) or not isinstance(within, float):
        passed = before is None
        detail = "no sessions before to compare with" if passed else "no rows in this window"
        return Check("row_count", "error", passed, None if passed else 0.0, _FEWEST_ROWS, detail)
    detail = f"{within:.0f} rows per session, {before:.0f} before"
    return Check("row_count", "error", within >= _FEWEST_ROWS * before, within / before, _FEWEST_ROWS, detail)


def _listed(what: str, found: Sequence[str]) -> str:
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{len(found)} {what}{': ' if found else ''}{', '.join(found[:_NAMED])}{more}"[:1000]
