"""The history as a source tells it that revised it: some bars have another close and volume, and are still sound."""

from datetime import date

import polars as pl

from tasks.extract.sample_market.faults.faults import Faults
from tasks.extract.sample_market.market import BARS, Market


def bars_as_served(market: Market, faults: Faults, code: str, first: date, last: date) -> pl.DataFrame | None:
    """The bars with the revisions in them."""
    bars = market.bars(code, first, last)
    if bars is None or not faults.revised:
        return bars
    # The close is mirrored within the day's range, so that it stays in it.
    close = (pl.col("low") + pl.col("high") - pl.col("close")).round(4)
    changed = {
        "close": close,
        "adjusted_close": (pl.col("adjusted_close") * close / pl.col("close")).round(4),
        "volume": pl.col("volume") + pl.col("volume") // 50 + 1,
    }
    mask = faults.revised_rows(code, bars["date"])
    return bars.with_columns(
        pl.when(mask).then(new).otherwise(pl.col(name)).alias(name) for name, new in changed.items()
    )


def revisions(market: Market, faults: Faults, code: str, first: date, last: date) -> pl.DataFrame:
    """The rows that `faults.revised` changes, as served."""
    bars = bars_as_served(market, faults, code, first, last)
    return BARS.to_frame() if bars is None else bars.filter(faults.revised_rows(code, bars["date"]))
