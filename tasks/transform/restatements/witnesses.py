"""Finds the stored day of a code that tells, in an answer, whether the source has restated what is older.

The last one before the window does, if its price has digits enough. Most requests reach back to it; for the others one
stored day is asked for."""

from collections.abc import Iterator
from datetime import date

import polars as pl

from tasks.conversion.decimals import last_digit
from tasks.lake import Lake
from tasks.lake.fetches import ANSWERED
from tasks.transform.restatements.restatement import answers_by_shard, newer
from tasks.window import Window

_FALLEN = 2  # times, since which the last price shows less than the highest
_FEW_DIGITS = 2000  # units of the last digit: a dividend of a fortieth of a percent moves more by half of one


def unwitnessed(lake: Lake, window: Window) -> dict[str, Window]:
    """Codes that have days in the lake, and none in the answers that could tell whether these were restated.

    The last stored day before the window tells, for whatever happens since changes all days before it. Where its price
    has so few digits that a dividend would not show, the day of the highest one tells instead. Of a code that
    has none, any stored day of the window tells, or else the first one after it."""
    found: dict[str, Window] = {}
    for known, bars, answers in answers_by_shard(lake, window):
        answered = answers.filter(ANSWERED).select("code", answered_at="fetched_at")
        told = newer(bars, known)
        days, some = set(told.select("code", "date").iter_rows()), set(told.get_column("code"))
        silent = answered.join(_witnessed(known, told, answered, window), on="code", how="anti")
        for code, before, after in _nearest(known, silent, window):
            day = before or (None if code in some else after)
            if day and (code, day) not in days:
                found[code] = Window(first=day, last=day)
    return dict(sorted(found.items()))


def _witnessed(known: pl.LazyFrame, told: pl.DataFrame, answered: pl.DataFrame, window: Window) -> pl.DataFrame:
    """`code` of most: whose last stored day is near, in the answers, and has digits enough. Only of the others all that
    is stored has to be read."""
    near = window.days_before
    adjusted = pl.col("adjusted_close")
    last = (
        known.filter(pl.col("date").is_between(near.first, near.last))
        .join(answered.lazy(), on="code")
        .with_columns(few=adjusted < _FEW_DIGITS * last_digit("adjusted_close"))
        .group_by("code")
        .agg(pl.col("date", "few", "fetched_at", "answered_at").sort_by("date").last())
        .collect()
    )
    as_new = pl.col("fetched_at") >= pl.col("answered_at")
    in_answers = last.filter(~pl.col("few")).join(told, on=["code", "date"], how="semi")
    return pl.concat([in_answers.select("code"), last.filter(as_new).select("code")])


def _nearest(
    known: pl.LazyFrame, answered: pl.DataFrame, window: Window
) -> Iterator[tuple[str, date | None, date | None]]:
    """Of each code the stored day before the window that tells, and the first after it, unless what is stored is as new
    as the answer."""
    if answered.is_empty():
        return
    day, as_new = pl.col("date"), pl.col("fetched_at") >= pl.col("answered_at")
    before, after = day < window.first, day > window.last
    price = pl.col("adjusted_close").filter(before).sort_by(day.filter(before))
    found = (
        known.join(answered.lazy(), on="code")
        .group_by("code")
        .agg(
            before=day.filter(before).max(),
            after=day.filter(after, ~as_new).min(),
            before_as_new=as_new.filter(before).sort_by(day.filter(before)).last(),
            within_as_new=as_new.filter(~before & ~after).any(),
            fallen=price.last() < price.max() / _FALLEN,
        )
        .filter(~pl.coalesce("before_as_new", "within_as_new"))
        .collect()
    )
    highest = _highest(known, found.filter("fallen").get_column("code"), window)
    yield from (
        found.join(highest, on="code", how="left").select("code", pl.coalesce("highest", "before"), "after").iter_rows()
    )


def _highest(known: pl.LazyFrame, codes: pl.Series, window: Window) -> pl.DataFrame:
    """`code, highest`: the day of the highest adjusted close before the window, of codes whose last one has too few
    digits to show a small dividend."""
    adjusted = pl.col("adjusted_close")
    return (
        known.filter(pl.col("code").is_in(codes.implode()), pl.col("date") < window.first)
        .sort("date")
        .with_columns(unit=last_digit("adjusted_close"))
        .group_by("code")
        .agg(highest=pl.col("date").sort_by(adjusted).last(), few=adjusted.last() < _FEW_DIGITS * pl.max("unit"))
        .filter("few")
        .select("code", "highest")
        .collect()
    )
