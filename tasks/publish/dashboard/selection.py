"""Which codes a page shows: a market has tens of thousands, a page of a few megabytes has room for dozens."""

import polars as pl


def select(measures: pl.DataFrame | pl.LazyFrame, movers: int = 10, first: int = 10) -> list[str]:
    """The codes to show, each once: those that rose and fell most in the last week, then the first by name.

    `measures` has the columns of `price_measures`, `code`, `week` and `return_1w` being read; a lazy scan is read
    for its last week and its codes alone. At most `2 * movers + first` codes. A code without a row in the last week
    (delisted, say) or without a return (its first week) is no mover.
    """
    rising, falling = biggest_movers(measures, movers)
    codes = measures.lazy().select(pl.col("code").cast(pl.String).unique()).collect(engine="streaming")
    by_name = codes["code"].sort().head(first)
    return list(dict.fromkeys([*rising["code"], *falling["code"], *by_name]))


def biggest_movers(measures: pl.DataFrame | pl.LazyFrame, count: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The codes that rose and those that fell most in the last week of `measures`, biggest moves first.

    Two frames of `code` and `return_1w`, at most `count` rows each. Equal moves are in the order of their codes.
    """
    last = _last_week(measures)
    rising = last.filter(pl.col("return_1w") > 0).sort("return_1w", "code", descending=[True, False])
    falling = last.filter(pl.col("return_1w") < 0).sort("return_1w", "code")
    return rising.head(count), falling.head(count)


def _last_week(measures: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    # In two steps, so that a scan of files sorted by week skips all that is older.
    lazy = measures.lazy()
    week = lazy.select(pl.col("week").max()).collect(engine="streaming").item()
    rows = lazy.filter(pl.col("week") == pl.lit(week, pl.Date), pl.col("return_1w").is_finite())
    return rows.select(pl.col("code").cast(pl.String), "return_1w").collect(engine="streaming")
