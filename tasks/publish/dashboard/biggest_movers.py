"""The codes that moved most in the last week, and the plain lists of them that the page's script draws."""

from typing import Any

import polars as pl

from tasks.publish.dashboard import text

MOVERS = 10  # each way


def biggest_movers(measures: pl.DataFrame | pl.LazyFrame, count: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The codes that rose and those that fell most in the last week of `measures`, biggest moves first.

    Two frames of `code` and `return_1w`, at most `count` rows each. Equal moves are in the order of their codes.
    """
    last = _last_week(measures)
    rising = last.filter(pl.col("return_1w") > 0).sort("return_1w", "code", descending=[True, False])
    falling = last.filter(pl.col("return_1w") < 0).sort("return_1w", "code")
    return rising.head(count), falling.head(count)


def movers_series(measures: pl.DataFrame) -> dict[str, Any]:
    """`rising` and `falling`: code, size and text of the biggest moves of the last week; `limit`: the largest size."""
    rising, falling = biggest_movers(measures, MOVERS)
    sides = {"rising": _bars(rising), "falling": _bars(falling)}
    return {**sides, "limit": max((bar["size"] for side in sides.values() for bar in side), default=1.0)}


def _last_week(measures: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    # In two steps, so that a scan of files sorted by week skips all that is older.
    lazy = measures.lazy()
    week = lazy.select(pl.col("week").max()).collect(engine="streaming").item()
    rows = lazy.filter(pl.col("week") == pl.lit(week, pl.Date), pl.col("return_1w").is_finite())
    return rows.select(pl.col("code").cast(pl.String), "return_1w").collect(engine="streaming")


def _bars(side: pl.DataFrame) -> list[dict[str, Any]]:
    return [
        {"code": code, "size": abs(move), "text": text.change(move)}
        for code, move in side.select("code", "return_1w").rows()
    ]
