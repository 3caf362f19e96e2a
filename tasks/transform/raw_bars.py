"""Tells raw bars that meet the contract of `curated/prices` from those that do not, and says why not."""

from collections.abc import Sequence

import dataframely as dy
import polars as pl

from tasks.contracts.prices import PriceRow
from tasks.datasets import PRICES, QUARANTINED_PRICES
from tasks.transform.quarantine import reasons

NONE_CLOSED = pl.DataFrame(schema={"exchange": pl.String, "day": pl.Date})


def split_bars(
    received: pl.DataFrame, unfit: Sequence[str], closed: pl.DataFrame = NONE_CLOSED
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that meet the contract, in the columns of PRICES; the others as received, in those of QUARANTINED_PRICES.

    Takes the columns of RAW_PRICES without `shard`, with a number `row`, and `asked_for`: whether the bar is of the
    days that were asked for. Rows of the codes that are unfit go with the others, whatever is in them, and so do bars
    of the days, by `exchange`, on which it was `closed`."""
    is_unfit = pl.col("code").is_in(unfit)
    placed = pl.struct(read_exchange(), read_day(pl.col("date")).alias("day"))
    typed = received.filter(~is_unfit).with_columns(
        date=read_day(pl.col("date")),
        # Of split-adjusted shares, which may come with a fraction.
        volume=pl.col("volume").round().cast(pl.Int64, strict=False),
        asked_for=pl.col("asked_for").fill_null(value=True),  # a date that is none is reason enough
        open_day=~placed.is_in(closed.to_struct().implode()),
    )
    fit, failure = _Received.filter(typed, cast=True)
    why = reasons(failure, _Received, PRICES.polars_schema.names(), "row")
    clashing = pl.col("row").is_in(_clashing(fit).implode())
    parts = [
        received.join(why, on="row", maintain_order="left"),
        received.filter(clashing).with_columns(reasons=pl.lit("another record of the same day says otherwise")),
        received.filter(is_unfit).with_columns(reasons=pl.lit("another part of this code could not be fetched")),
    ]
    columns = QUARANTINED_PRICES.polars_schema.names()
    good = fit.filter(~clashing).select(PRICES.polars_schema.names())
    return good, pl.concat([part.select(columns) for part in parts])


def _clashing(rows: pl.DataFrame) -> pl.Series:
    """Numbers of the rows that contradict another of the same answer: which of them is right, nobody knows."""
    same = ["code", "date", "fetched_at"]
    repeated = rows.filter(pl.struct(same).is_duplicated())
    values = pl.struct(pl.exclude("row", "asked_for", "open_day", *same))
    return repeated.filter(values.n_unique().over(same) > 1).get_column("row")


def read_day(text: pl.Expr) -> pl.Expr:
    """The date, null for what is none."""
    return text.str.to_date("%Y-%m-%d", strict=False)


def read_exchange() -> pl.Expr:
    """The exchange of each `code`, as `exchange_of` reads it."""
    return (
        pl.col("code").cast(pl.String).str.extract(r"\.([^.]*)$").str.to_uppercase().fill_null("US").alias("exchange")
    )


class _Received(PriceRow):
    """A bar, the number of its raw row, whether it is of the days that were asked for, and of a day of trading."""

    row = dy.UInt32()
    asked_for = dy.Bool()
    open_day = dy.Bool()

    @dy.rule()
    def high_is_below_low(cls) -> pl.Expr:  # noqa: N805 - dataframely passes the class
        return pl.col("high") >= pl.col("low")

    @dy.rule()
    def not_one_of_the_days_asked_for(cls) -> pl.Expr:  # noqa: N805 - dataframely passes the class
        return pl.col("asked_for")

    @dy.rule()
    def the_exchange_was_closed_that_day(cls) -> pl.Expr:  # noqa: N805
        return pl.col("open_day")
