"""What goes into a load and what comes out of it."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

Mode = Literal["append", "replace", "upsert"]
MODES: tuple[Mode, ...] = ("append", "replace", "upsert")

NOTHING = ""  # as Part.base: the table had nothing of the partition


@dataclass(frozen=True)
class Part:
    """What changed in one partition of a dataset since the warehouse last saw it.

    `changed` has exactly the columns of the dataset's table; `deleted` has its key columns, or no row at all.
    `base` is the snapshot that the change was worked out against, NOTHING if there was none. With it, an upsert
    refuses to put a change on top of another state than it was made for; None trusts the caller.
    `whole`: `changed` is all that the partition has, and what else the table has of it goes too.
    """

    partition: str
    snapshot: str
    changed: pl.DataFrame | pl.LazyFrame
    deleted: pl.DataFrame
    base: str | None = None
    whole: bool = False


@dataclass(frozen=True)
class LoadResult:
    """What a load did. rows_read = inserted + updated + unchanged; deleted rows are counted apart."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0  # rows that the table had already, equal in every column
    deleted: int = 0
    parts_loaded: int = 0
    parts_skipped: int = 0  # those whose snapshot the table had already

    @property
    def rows_read(self) -> int:
        return self.inserted + self.updated + self.unchanged

    def __add__(self, other: "LoadResult") -> "LoadResult":
        return LoadResult(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.deleted + other.deleted,
            self.parts_loaded + other.parts_loaded,
            self.parts_skipped + other.parts_skipped,
        )
