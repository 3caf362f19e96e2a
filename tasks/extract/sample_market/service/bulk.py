"""One day of a whole exchange: the rows of `eod-bulk-last-day`."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl

from tasks.extract.sample_market.faults.faults import Faults
from tasks.extract.sample_market.faults.revisions import bars_as_served
from tasks.extract.sample_market.market import Market, Split

Record = dict[str, Any]  # a JSON object


def bar_record(market: Market, faults: Faults, exchange: str, name: str, day: date, *, extended: bool) -> Record | None:
    """None if the code has no bar on the day."""
    first = day - timedelta(days=366) if extended else day
    bars = bars_as_served(market, faults, f"{name}.{exchange}", first, day)
    if bars is None or bars.is_empty() or bars["date"][-1] != day:
        return None
    head = {"code": name, "exchange_short_name": exchange}
    bar = bars.row(-1, named=True) | {"date": day.isoformat()}
    return head | bar | (_extension(name, bars) if extended else {})


def split_records(market: Market, exchange: str, name: str, day: date) -> Iterator[Record]:
    for split in market.splits(f"{name}.{exchange}"):
        if split.day == day:
            ratio = f"{_whole(split.after)}/{_whole(split.before)}"
            yield {"code": name, "exchange": exchange, "date": day.isoformat(), "split": ratio}


def dividend_records(market: Market, exchange: str, name: str, day: date) -> Iterator[Record]:
    code = f"{name}.{exchange}"
    for dividend in market.dividends(code):
        if dividend.day == day:
            yield {
                "code": name,
                "exchange": exchange,
                "date": day.isoformat(),
                "dividend": f"{dividend.amount * _later(market.splits(code), day):.7f}",
                "currency": "USD",
                "declarationDate": None,
                "recordDate": None,
                "paymentDate": None,
                "period": "Quarterly",
                "unadjustedValue": f"{dividend.amount:.7f}",
            }


def _extension(name: str, bars: pl.DataFrame) -> Record:
    """What `filter=extended` adds, as far as it follows from prices. The moving figures are of 250 and 14 sessions."""
    close = bars["close"]
    before = close[-2] if len(close) > 1 else close[-1]
    year = bars.tail(250)
    return {
        "name": f"{name} Sample",
        "prev_close": before,
        "change": round(close[-1] - before, 4),
        "change_p": round(100 * (close[-1] / before - 1), 4),
        "hi_250d": year["high"].max(),
        "lo_250d": year["low"].min(),
        "avgvol_14d": round(bars.tail(14)["volume"].cast(pl.Float64).sum() / min(14, len(bars)), 2),
    }


def _later(splits: Sequence[Split], day: date) -> float:
    factor = 1.0
    for split in splits:
        factor *= split.factor if split.day > day else 1.0
    return factor


def _whole(shares: int) -> str:
    return f"{shares:.6f}"
