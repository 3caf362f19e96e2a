"""Since when a backfill fetches all again: kept until it is through, so that it goes on where it was stopped."""

from datetime import datetime

import polars as pl

from tasks.datasets import REFETCHES
from tasks.lake import Change, Lake, SnapshotRef


def begin(lake: Lake, key: str, now: datetime, run: str) -> datetime:
    """When the refetch of this key began that has not ended, or now, when one begins."""

    def change(current: SnapshotRef | None) -> Change | None:
        is_under_way = current and not lake.read(REFETCHES, [current]).select("ended").collect().item()
        return None if is_under_way else Change([_row(now, ended=False)], inputs=())

    current = lake.update(REFETCHES, key, change, run)
    begun: datetime = lake.read(REFETCHES, [current] if current else []).select("begun").collect().item()
    return begun


def end(lake: Lake, key: str, begun: datetime, run: str) -> None:
    lake.update(REFETCHES, key, lambda _: Change([_row(begun, ended=True)], inputs=()), run)


def _row(begun: datetime, *, ended: bool) -> pl.DataFrame:
    return pl.DataFrame([{"begun": begun, "ended": ended}], schema=REFETCHES.polars_schema)
