"""Codes that were answered with no bars although they trade: a feed that is late, an outage that says 200.

Such a code had bars not long before the window or in it, and the source lists it as traded. Whether one was delisted
or halted, that list says; it costs as much as a hundred codes, and is asked for where some code is in doubt."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

import polars as pl

from tasks.coverage.answers import due
from tasks.coverage.listings import keep_listing, listed
from tasks.coverage.stored import last_bars
from tasks.errors import ConfigurationError, TransientError
from tasks.lake import Lake
from tasks.sessions.closing_times import AsOf
from tasks.sessions.trading_days import exchange_of
from tasks.window import Window

_BEFORE = 14  # days before a window, that tell of a code in it


class Lister(Protocol):
    async def codes(self, exchange: str, day: date) -> list[str]: ...


async def told_as_missing(
    lake: Lake, source: Lister, fetches: pl.DataFrame, window: Window, as_of: AsOf, run: str
) -> pl.DataFrame:
    """The rows of FETCHES, of which those that are empty and should not be have the reason why not."""
    doubted = _doubted(lake, fetches, window, as_of)
    reasons: dict[str, str] = {}
    for exchange in sorted({exchange_of(code) for code in doubted}):
        trading = await _listing(lake, source, exchange, window, as_of, run)
        for code, last in doubted.items():
            if exchange_of(code) == exchange and (trading is None or code in trading):
                reasons[code] = f"no bars, though it had one on {last}"
    why = pl.col("code").replace_strict(reasons, default=None, return_dtype=pl.String)
    is_empty = pl.col("outcome").cast(pl.String) == "empty"
    return fetches.with_columns(reason=pl.when(is_empty).then(why).otherwise("reason"))


def _doubted(lake: Lake, fetches: pl.DataFrame, window: Window, as_of: AsOf) -> dict[str, date]:
    """The codes that were answered with no bars, and had one not long before, with the last day that they had."""
    empty = fetches.filter(pl.col("outcome").cast(pl.String) == "empty").get_column("code").to_list()
    doubted = [code for code in empty if due(exchange_of(code), window, as_of)]
    return last_bars(lake, window.reaching_back(_BEFORE), pl.col("code").is_in(doubted)) if doubted else {}


async def _listing(
    lake: Lake, source: Lister, exchange: str, window: Window, as_of: AsOf, run: str
) -> Sequence[str] | None:
    """Those that traded last, as they were listed before or are now; None where the source does not say."""
    if (kept := listed(lake, exchange, window.last, as_of)) is not None:
        return kept
    try:
        found = await source.codes(exchange, as_of.last_day_of(exchange, window) or window.last)
    except (TransientError, ConfigurationError):
        return None
    keep_listing(lake, exchange, window.last, found, as_of.now, run)
    return found
