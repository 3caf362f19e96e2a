"""Weekly measures of prices: pure functions of a frame of daily bars.

Weeks are calendar weeks, named by their Monday, and trailing windows count calendar weeks, whether or not a code traded
in all of them. All prices but `close` are adjusted for splits and dividends, so that measures run on through both."""

import math

import polars as pl

WEEKS_IN_AVERAGE = 10
WEEKS_IN_RANGE = 52
_WEEKS_PER_YEAR = 52


def weekly(daily: pl.LazyFrame) -> pl.LazyFrame:
    """One row per code and week: its last session, the closes of that session, and the week's high and low, adjusted.

    Takes `code, date, high, low, close, adjusted_close`. Highs and lows are adjusted by the factor of their own day's
    close, adjusted_close / close."""
    factor = pl.col("adjusted_close") / pl.col("close")
    return (
        daily.sort("code", "date")
        .with_columns(week=pl.col("date").dt.truncate("1w"), high=pl.col("high") * factor, low=pl.col("low") * factor)
        .group_by("code", "week", maintain_order=True)
        .agg(
            session=pl.col("date").last(),
            close=pl.col("close").last(),
            adjusted_close=pl.col("adjusted_close").last(),
            high=pl.col("high").max(),
            low=pl.col("low").min(),
        )
    )


def measures(weeks: pl.LazyFrame) -> pl.LazyFrame:
    """One row per code and week, in the columns of PRICE_MEASURES; takes what `weekly` gives.

    - `average_10w`: mean of the adjusted weekly closes of the last ten weeks, this one included; `weeks_in_average`:
      how many of the ten have one.
    - `return_1w`: adjusted_close / adjusted_close of the week before - 1; null if the code did not trade in it.
    - `volatility_10w`: annualised, from the sample standard deviation s of the logarithmic weekly returns
      ln(1 + return_1w) of the last ten weeks: s * sqrt(52) (J. C. Hull, Options, Futures, and Other Derivatives,
      "Estimating volatility from historical data"). Null with fewer than two returns.
    - `high_52w`, `low_52w`: highest adjusted high and lowest adjusted low of the last 52 weeks, this one included."""
    previous_week = pl.col("week").shift(1).over("code")
    previous_close = pl.col("adjusted_close").shift(1).over("code")
    consecutive = pl.col("week") - previous_week == pl.duration(weeks=1)
    average, year = f"{WEEKS_IN_AVERAGE}w", f"{WEEKS_IN_RANGE}w"
    return (
        weeks.sort("code", "week")
        .with_columns(return_1w=pl.when(consecutive).then(pl.col("adjusted_close") / previous_close - 1))
        .with_columns(
            average_10w=pl.col("adjusted_close").rolling_mean_by("week", average).over("code"),
            weeks_in_average=pl.col("week").is_not_null().cast(pl.Int64).rolling_sum_by("week", average).over("code"),
            volatility_10w=(1 + pl.col("return_1w")).log().rolling_std_by("week", average, min_samples=2).over("code")
            * math.sqrt(_WEEKS_PER_YEAR),
            high_52w=pl.col("high").rolling_max_by("week", year).over("code"),
            low_52w=pl.col("low").rolling_min_by("week", year).over("code"),
        )
        .drop("high", "low")
    )
