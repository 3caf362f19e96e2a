"""The rows of the page's two tables, in the words that stand there and the values they are sorted by."""

from typing import Any

import polars as pl

from tasks.publish.dashboard import text

Row = dict[str, Any]


def latest_measures(measures: pl.DataFrame) -> list[Row]:
    """One row per code, by name: its last week. `against` is close over average - 1, `position` 0 (low) to 1 (high)."""
    close, low, high = (pl.col(name) for name in ("adjusted_close", "low_52w", "high_52w"))
    return (
        measures.with_columns(pl.col("code").cast(pl.String))
        .sort("code", "week")
        .unique("code", keep="last", maintain_order=True)
        .with_columns(
            (close / pl.col("average_10w") - 1).alias("against"),
            pl.when(high > low).then(((close - low) / (high - low)).clip(0, 1)).alias("position"),
        )
        .to_dicts()
    )


def price_decimals(measures: pl.DataFrame) -> int:
    """Two, or four where a price below one would lose its digits: the same in the whole column, so that they align."""
    lowest = measures["low_52w"].min()
    return 4 if isinstance(lowest, float) and lowest < 1 else 2


def checks_of_window(checks: pl.DataFrame) -> list[Row]:
    """One row per check, failed ones first, errors before warnings."""
    ordered = checks.sort("passed", "severity", "dataset", "check")
    return [
        row | {"value": text.figure(row["value"]), "threshold": text.figure(row["threshold"])}
        for row in ordered.iter_rows(named=True)
    ]
