"""How many decimals a source shows of a code's prices."""

import polars as pl

_DECIMALS = 9  # at most


def last_digit(*prices: str) -> pl.Expr:
    """The unit of the last digit that is shown of the code's prices in these columns: 0.01 for 10.25 and 7.5."""
    shown = [
        pl.sum_horizontal((pl.col(price).round(n) != pl.col(price)).cast(pl.Int64) for n in range(_DECIMALS))
        for price in prices
    ]
    return pl.lit(10.0).pow(-pl.max_horizontal(shown).max().over("code"))
