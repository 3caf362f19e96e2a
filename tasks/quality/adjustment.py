"""The check that adjusted closes are those of the closes: what a split or a dividend takes off, the price has lost.

A dividend in the wrong unit, an adjustment that is missing, made twice or made on another day: each breaks the returns
of a code on one day and leaves all others sound."""

import polars as pl

from tasks.conversion.decimals import last_digit
from tasks.quality.checks import Check, listed

_RISE = 0.001  # of what is older, which no dividend makes


def adjustment(steps: pl.DataFrame, limit: float) -> Check:
    """Days on which the adjusting is wrong, as `find_steps` finds them."""
    named = [f"{code} {day} {step:+.1%}" for code, day, step in steps.rows()]
    detail = listed("steps of adjusted_close / close that the close does not show", named)
    return Check("adjustment", "warning", not named, float(len(named)), limit, detail)


def find_steps(prices: pl.DataFrame, limit: float) -> pl.DataFrame:
    """`code, date, step` of the days since which closes are adjusted otherwise, and which the closes do not explain.

    A step of s is explained by a close that falls as much, but for `limit` and a quarter of s. One below `limit` may be
    a dividend, if what is older is lowered; nothing but a merger of shares, which is large, raises it."""
    factor = pl.col("adjusted_close").log() - pl.col("close").log()
    half_a_unit = 0.5 * last_digit("close", "adjusted_close")
    rounding = half_a_unit / pl.col("close") + half_a_unit / pl.col("adjusted_close")
    move = pl.col("close").log().diff().over("code")
    step = factor.diff().over("code")
    noise = rounding + rounding.shift(1).over("code")
    unexplained = (move + step).abs() > limit + step.abs() / 4 + noise
    wrong = pl.when(step.abs() > limit + noise).then(unexplained).otherwise(step < -noise - _RISE)
    return (
        prices.sort("code", "date")
        .select("code", "date", step=step.exp() - 1, wrong=wrong)
        .filter("wrong")
        .drop("wrong")
    )
