"""The codes of an exchange as the source listed them for a day, kept: all that a run for all codes is about."""

from collections.abc import Sequence
from datetime import date, datetime

import polars as pl

from tasks.datasets import RAW_LISTINGS
from tasks.lake import Change, Lake, SnapshotRef
from tasks.sessions.closing_times import AsOf, last_day_over


def listed(lake: Lake, exchange: str, day: date, as_of: AsOf) -> list[str] | None:
    """The codes that traded on the last session on or before the day; None where nobody has listed them since.

    A list is as of when it was given: one of before the day was over is none of it, once it is."""
    current = lake.current(RAW_LISTINGS, _partition(exchange, day))
    rows = lake.read(RAW_LISTINGS, [current] if current else []).collect()
    if rows.is_empty():
        return None
    given_at = rows.item(0, "fetched_at")
    is_old = last_day_over(exchange, given_at, as_of.delay) < min(day, as_of.last_day(exchange))
    return rows.get_column("code").to_list() if as_of.counts(given_at) and not is_old else None


def last_listed(lake: Lake, exchange: str, day: date) -> list[str]:
    """The codes of the last list there is of a day up to this one."""
    lists = lake.partitions(RAW_LISTINGS, f"exchange={exchange.upper()}/")
    older = [s for s in lists if s.partition <= _partition(exchange, day)]
    newest = sorted(older, key=lambda s: s.partition)[-1:]
    return lake.read(RAW_LISTINGS, newest).select("code").collect().to_series().to_list()


def keep_listing(lake: Lake, exchange: str, day: date, codes: Sequence[str], given_at: datetime, run: str) -> None:
    rows = pl.DataFrame({"code": sorted(codes)}, schema={"code": pl.String}).with_columns(
        pl.lit(given_at, dtype=pl.Datetime("us", "UTC")).alias("fetched_at")
    )

    def change(current: SnapshotRef | None) -> Change | None:
        stored = lake.read(RAW_LISTINGS, [current] if current else []).collect()
        newer = stored.height and stored.item(0, "fetched_at") >= given_at
        return None if newer else Change([rows], inputs=())

    lake.update(RAW_LISTINGS, _partition(exchange, day), change, run)


def _partition(exchange: str, day: date) -> str:
    return f"exchange={exchange.upper()}/day={day}"
