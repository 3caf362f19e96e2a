"""The weekly measures once more, in pandas and another way: on a calendar of all weeks, with gaps where none traded."""

import math

import numpy as np
import pandas as pd
import polars as pl

from tasks.datasets import PRICE_MEASURES


def measures_by_pandas(daily: pl.DataFrame) -> pl.DataFrame:
    """From `code, date, high, low, close, adjusted_close` to the columns of PRICE_MEASURES, sorted by code and week."""
    frame = daily.to_pandas().astype({"date": "datetime64[s]"}).sort_values("date")
    weeks = pd.concat([_of_code(code, bars.set_index("date")) for code, bars in frame.groupby("code")])
    wanted = PRICE_MEASURES.polars_schema
    return pl.from_pandas(weeks, nan_to_null=True).select(wanted.names()).cast(wanted).sort("code", "week")


def _of_code(code: str, bars: pd.DataFrame) -> pd.DataFrame:
    factor = bars["adjusted_close"] / bars["close"]
    bars = bars.assign(high=bars["high"] * factor, low=bars["low"] * factor, session=bars.index)
    how = {"session": "last", "close": "last", "adjusted_close": "last", "high": "max", "low": "min"}
    weeks = bars.resample("W-SUN").agg(how)  # named by their Sunday, those without a session too
    close = weeks["adjusted_close"]
    growth = close / close.shift(1)
    measured = pd.DataFrame(
        {
            "code": code,
            "week": weeks.index - pd.Timedelta(days=6),
            "session": weeks["session"],
            "close": weeks["close"],
            "adjusted_close": close,
            "average_10w": close.rolling(10, min_periods=1).mean(),
            "weeks_in_average": close.rolling(10, min_periods=1).count(),
            "return_1w": growth - 1,
            "volatility_10w": np.log(growth).rolling(10, min_periods=2).std() * math.sqrt(52),
            "high_52w": weeks["high"].rolling(52, min_periods=1).max(),
            "low_52w": weeks["low"].rolling(52, min_periods=1).min(),
        }
    )
    return measured[close.notna()]
