"""Finds codes whose history the source has restated.

After a split or a dividend the source adjusts all earlier closes of the code, and sometimes it tells all of them in
another unit. A run that fetches one week sees that in the last stored day before it, which is asked for as well; unless
the rest of the history is fetched again, the series breaks in two."""

from collections.abc import Iterator
from datetime import date

import polars as pl

from tasks.datasets import FETCHES, PRICES, RAW_PRICES
from tasks.lake import Lake
from tasks.lake.fetches import by_part, last_attempts
from tasks.lake.retention.read_leases import read_lease
from tasks.transform.raw_bars import read_day
from tasks.window import Window

_DECIMALS = 9  # that a source shows, at most
_FALLEN = 2  # times, since which the last price shows less than the highest
_FEW_DIGITS = 2000  # units of the last digit: a dividend of a fortieth of a percent moves more by half of one
_FLOAT = 1e-9  # of a value: what is lost in reckoning with it


def unwitnessed(lake: Lake, window: Window) -> dict[str, Window]:
    """Codes that have days in the lake, and none in the answers that could tell whether these were restated.

    The last stored day before the window tells, for whatever happens since changes all days before it. Where its price
    has so few digits that a dividend would not show, the day of the highest one tells instead. Of a code that
    has none, any stored day of the window tells, or else the first one after it."""
    found: dict[str, Window] = {}
    for known, bars, answers in _shards(lake, window):
        answered = answers.filter(pl.col("outcome").cast(pl.String).is_in(["fetched", "empty"])).select(
            "code", answered_at="fetched_at"
        )
        told = _newer(bars, known)
        days, some = set(told.select("code", "date").iter_rows()), set(told.get_column("code"))
        for code, before, after in _nearest(known, answered, window):
            day = before or (None if code in some else after)
            if day and (code, day) not in days:
                found[code] = Window(first=day, last=day)
    return dict(sorted(found.items()))


def restated(lake: Lake, window: Window, *, within: bool = False) -> dict[str, Window]:
    """Codes with days in the lake, beside those of the window, that the answers for it contradict, and their span.

    Where only witnesses were asked for, these days are also those `within` the window.

    What the source shows is exact but for its last digit, which is rounded. So where a close is the same as before, its
    adjusted close is too; where it was revised, both are by the same factor."""
    found: dict[str, Window] = {}
    for known, bars, answers in _shards(lake, window):
        both = _newer(bars, known)
        gone = answers.filter(pl.col("witness_at").is_not_null()).join(
            both, left_on=["code", "witness_at"], right_on=["code", "date"], how="anti"
        )
        found |= _spans(
            known, pl.concat([_contradicted(both), gone.get_column("code")]).unique(), None if within else window
        )
    return dict(sorted(found.items()))


_Shard = tuple[pl.LazyFrame, pl.LazyFrame, pl.DataFrame]


def _shards(lake: Lake, window: Window) -> Iterator[_Shard]:
    """Of each shard of codes that the lake has: what is stored, what came for the window, what became of the codes.

    The last has `witness_at`: the day that a code was asked for beside the window, if the answer is whole."""
    folder = f"window={window}/"
    raw, fetches = (by_part(lake.partitions(dataset, folder)) for dataset in (RAW_PRICES, FETCHES))
    told = [s for part in _TELLING for s in raw.get(part, [])]
    stored = lake.partitions(PRICES)
    with (
        read_lease(lake, RAW_PRICES, told) as bars,
        read_lease(lake, FETCHES, [s for part in _TELLING for s in fetches.get(part, [])]),
        read_lease(lake, PRICES, stored),
    ):
        answers = last_attempts(lake, fetches.get("window", [])).collect()
        witnesses = last_attempts(lake, fetches.get("witness", [])).collect()
        whole = witnesses.filter(pl.col("outcome").cast(pl.String).is_in(["fetched", "empty"]))
        answers = answers.join(whole.select("code", witness_at="asked_first"), on="code", how="left")
        for shard in range(PRICES.shards):
            if some := [s for s in stored if s.first and s.partition.endswith(f"/shard={shard}")]:
                yield lake.read(PRICES, some), bars.filter(pl.col("shard") == shard), answers


_TELLING = ("window", "witness")


def _newer(bars: pl.LazyFrame, known: pl.LazyFrame) -> pl.DataFrame:
    """Usable bars of days that are stored, told later than these: with `close_stored` and `adjusted_close_stored`."""
    prices = pl.col("close", "adjusted_close")
    usable = (
        bars.with_columns(date=read_day(pl.col("date")))
        .filter(pl.col("date").is_not_null(), pl.all_horizontal(prices.is_finite() & (prices > 0)))
        .sort("fetched_at", maintain_order=True)
        .unique(["code", "date"], keep="last", maintain_order=True)
        .collect()
    )
    days = usable.get_column("date").unique()
    stored = known.filter(pl.col("date").is_in(days.implode())).select(
        *PRICES.key, "close", "adjusted_close", "fetched_at"
    )
    return usable.join(stored.collect(), on=PRICES.key, suffix="_stored").filter(
        pl.col("fetched_at") > pl.col("fetched_at_stored")
    )


def _contradicted(both: pl.DataFrame) -> pl.Series:
    """The codes whose first day, or first day with a close that was not revised, is adjusted by another factor.

    Where no close is what it was, all are told in another unit."""
    adjusted, stored = pl.col("adjusted_close"), pl.col("adjusted_close_stored")
    same = pl.col("close") == pl.col("close_stored")
    ratio = pl.col("close") / pl.col("close_stored")
    half_a_unit = pl.lit(0.5) * pl.lit(10.0).pow(-_decimals(adjusted).max().over("code"))
    off = (adjusted - stored * ratio).abs()
    changed = pl.when(same).then(adjusted != stored).otherwise(off > half_a_unit * (1 + ratio) + _FLOAT * adjusted)
    judged = (
        both.with_columns(changed=changed, same=same)
        .sort("code", "date")
        .group_by("code", maintain_order=True)
        .agg(first=pl.col("changed").first(), unrevised=pl.col("changed").filter("same").first())
    )
    return judged.filter(pl.col("first") | pl.col("unrevised").fill_null(value=True)).get_column("code")


def _nearest(
    known: pl.LazyFrame, answered: pl.DataFrame, window: Window
) -> Iterator[tuple[str, date | None, date | None]]:
    """Of each code the stored day before the window that tells, and the first after it, unless what is stored is as new
    as the answer."""
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
        .with_columns(digit=pl.lit(10.0).pow(-_decimals(adjusted).max().over("code")))
        .group_by("code")
        .agg(highest=pl.col("date").sort_by(adjusted).last(), few=adjusted.last() < _FEW_DIGITS * pl.max("digit"))
        .filter("few")
        .select("code", "highest")
        .collect()
    )


def _decimals(price: pl.Expr) -> pl.Expr:
    return pl.sum_horizontal((price.round(n) != price).cast(pl.Int64) for n in range(_DECIMALS))


def _spans(known: pl.LazyFrame, codes: pl.Series, window: Window | None) -> dict[str, Window]:
    """From the first to the last stored day of each code beside the window, of those that have such days."""
    if codes.is_empty():
        return {}
    beside = ~pl.col("date").is_between(window.first, window.last) if window else pl.lit(value=True)
    days = (
        known.filter(pl.col("code").is_in(codes.implode()), beside)
        .group_by("code")
        .agg(first=pl.col("date").min(), last=pl.col("date").max())
        .collect()
    )
    return {code: Window(first=first, last=last) for code, first, last in days.iter_rows()}
