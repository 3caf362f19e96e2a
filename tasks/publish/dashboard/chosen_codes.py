"""Which codes a page shows: a market has tens of thousands, a page of a few megabytes has room for dozens."""

import polars as pl

from tasks.publish.dashboard.biggest_movers import MOVERS, biggest_movers


def choose_codes(measures: pl.DataFrame | pl.LazyFrame, movers: int = MOVERS, first: int = 10) -> list[str]:
    """The codes to show, each once: those that rose and fell most in the last week, then the first by name.

    `measures` has the columns of `price_measures`, `code`, `week` and `return_1w` being read; a lazy scan is read
    for its last week and its codes alone. At most `2 * movers + first` codes. A code without a row in the last week
    (delisted, say) or without a return (its first week) is no mover.
    """
    rising, falling = biggest_movers(measures, movers)
    codes = measures.lazy().select(pl.col("code").cast(pl.String).unique()).collect(engine="streaming")
    by_name = codes["code"].sort().head(first)
    return list(dict.fromkeys([*rising["code"], *falling["code"], *by_name]))
