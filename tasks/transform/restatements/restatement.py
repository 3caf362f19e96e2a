"""Finds codes whose history the source has restated.

After a split or a dividend the source adjusts all earlier closes of the code, and sometimes it tells all of them in
another unit. A run that fetches one week sees that in the last stored day before it, which is asked for as well; unless
the rest of the history is fetched again, the series breaks in two."""

from collections.abc import Iterator

import polars as pl

from tasks.conversion.decimals import last_digit
from tasks.datasets import FETCHES, PRICES, RAW_PRICES
from tasks.lake import Lake
from tasks.lake.fetches import ANSWERED, by_part, last_attempts
from tasks.lake.retention.read_leases import read_lease
from tasks.transform.raw_bars import read_day
from tasks.window import Window

_FLOAT = 1e-9  # of a value: what is lost in reckoning with it


def restated(lake: Lake, window: Window, *, within: bool = False) -> dict[str, Window]:
    """Codes with days in the lake, beside those of the window, that the answers for it contradict, and their span.

    Where only witnesses were asked for, these days are also those `within` the window.

    What the source shows is exact but for its last digit, which is rounded. So where a close is the same as before, its
    adjusted close is too; where it was revised, both are by the same factor."""
    found: dict[str, Window] = {}
    for known, bars, answers in answers_by_shard(lake, window):
        both = newer(bars, known)
        gone = answers.filter(pl.col("witness_at").is_not_null()).join(
            both, left_on=["code", "witness_at"], right_on=["code", "date"], how="anti"
        )
        found |= _spans(
            known, pl.concat([_contradicted(both), gone.get_column("code")]).unique(), None if within else window
        )
    return dict(sorted(found.items()))


_TELLING = ("window", "witness")
_Shard = tuple[pl.LazyFrame, pl.LazyFrame, pl.DataFrame]


def answers_by_shard(lake: Lake, window: Window) -> Iterator[_Shard]:
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
        whole = witnesses.filter(ANSWERED)
        answers = answers.join(whole.select("code", witness_at="asked_first"), on="code", how="left")
        for shard in range(PRICES.shards):
            if some := [s for s in stored if s.first and s.partition.endswith(f"/shard={shard}")]:
                yield lake.read(PRICES, some), bars.filter(pl.col("shard") == shard), answers


def newer(bars: pl.LazyFrame, known: pl.LazyFrame) -> pl.DataFrame:
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
    half_a_unit = 0.5 * last_digit("adjusted_close")
    off = (adjusted - stored * ratio).abs()
    changed = pl.when(same).then(adjusted != stored).otherwise(off > half_a_unit * (1 + ratio) + _FLOAT * adjusted)
    judged = (
        both.with_columns(changed=changed, same=same)
        .sort("code", "date")
        .group_by("code", maintain_order=True)
        .agg(first=pl.col("changed").first(), unrevised=pl.col("changed").filter("same").first())
    )
    return judged.filter(pl.col("first") | pl.col("unrevised").fill_null(value=True)).get_column("code")


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
