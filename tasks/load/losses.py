"""What a load would take from the warehouse and may not without a word: the sentence that says so, and the ways on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from tasks.errors import FatalError

_FEW = 100  # rows that may go whatever their share: of a small partition a few are much
_NAMED = 10
WORD = "python -m flows.reconcile --lake-is-right"


@dataclass(frozen=True)
class Loss:
    """Rows of a partition that would be deleted or changed. `days`: the first and the last of them, where known."""

    partition: str
    deleted: int
    updated: int
    days: tuple[date, date] | None

    def __str__(self) -> str:
        changed = f", {self.updated:,} changed" if self.updated else ""
        of = f" of {self.days[0]} to {self.days[1]}" if self.days else ""
        return f"{self.partition}: {self.deleted:,} rows{of} would be deleted{changed}"


class LossError(FatalError):
    """The load would take more from the warehouse than it may without a word. Nothing was loaded."""


def is_large(deleted: int, left: int, share: float) -> bool:
    """Whether more than a share of a partition goes; `left` are the rows that stay."""
    return deleted > _FEW and deleted > share * (deleted + left)


def days_of(rows: pl.DataFrame, period: str | None) -> tuple[date, date] | None:
    if period is None or period not in rows.columns or rows.is_empty():
        return None
    first, last = rows.select(pl.min(period).alias("first"), pl.max(period).alias("last")).row(0)
    return first, last


def refuse_lost(table: str, place: str, losses: Sequence[Loss]) -> LossError:
    """For partitions that are not a continuation of what was loaded, and a table whose ledger is gone."""
    return LossError(
        f"The lake lacks what table {table} in {place} was loaded from: {_listed(losses)}. Nothing was loaded. It "
        "was put back from an older copy, or a part of it or of etl_loads was removed. Put the newer copy back; or "
        f"bring back what is missing: `python -m flows.reconcile` makes it from raw, {_fetched(losses)}, what a vendor "
        f"sent is dropped again; or, if the lake is right, say so: `{WORD} {table}`."
    )


def refuse_large(table: str, place: str, losses: Sequence[Loss], share: float) -> LossError:
    return LossError(
        f"More than {share:.0%} of a partition of table {table} in {place} would go: {_listed(losses)}. Nothing was "
        "loaded. If the source gives less than there is, run these days again with refetch when it is well; if the "
        f"lake is right, say so: `{WORD} {table}`. The share is ETL_LARGEST_DELETION."
    )


def _fetched(losses: Sequence[Loss]) -> str:
    days = [day for loss in losses if loss.days for day in loss.days]
    span = f" --first {min(days)} --last {max(days)}" if days else ""
    return f"`python -m flows.backfill{span}` fetches it"


def _listed(losses: Sequence[Loss]) -> str:
    more = f"; and {len(losses) - _NAMED} more partitions" if len(losses) > _NAMED else ""
    days = [day for loss in losses if loss.days for day in loss.days]
    span = f", in all of {min(days)} to {max(days)}" if days and len(losses) > 1 else ""
    return "; ".join(map(str, losses[:_NAMED])) + more + span
