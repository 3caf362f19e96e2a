"""What a load is asked to do, checked before anything is touched."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import dataframely as dy
import polars as pl

from tasks.datasets import Dataset
from tasks.errors import ConfigurationError
from tasks.window import Window

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
    `continues`: the snapshot came after the base. If not, it takes nothing from the table unless the lake is right.
    `again`: it is loaded although the table has it. `rows`: how many the partition has, where that is known.
    """

    partition: str
    snapshot: str
    changed: pl.DataFrame | pl.LazyFrame
    deleted: pl.DataFrame
    base: str | None = None
    whole: bool = False
    continues: bool = True
    again: bool = False
    rows: int | None = None


@dataclass(frozen=True)
class LoadRequest:
    dataset: Dataset
    mode: Mode
    run: str
    window: Window | None = None  # what mode `replace` empties first
    largest_deletion: float = 1.0  # the share of a partition that may be deleted
    lake_is_right: bool = False  # whatever is deleted

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigurationError(f"There is no load mode {self.mode!r}. Give one of {', '.join(MODES)}.")
        if self.dataset.table is None:
            raise ConfigurationError(f"Dataset {self.dataset.name} has no SQL table. Name one in tasks/datasets.py.")
        if self.mode == "upsert" and not self.key:
            raise ConfigurationError(
                f"Dataset {self.dataset.name} has no key to upsert by. Mark one in tasks/datasets.py, or append."
            )
        if self.mode == "replace" and (self.window is None or self.dataset.period not in self.columns):
            raise ConfigurationError(
                f"To replace rows of table {self.table} needs a window and a period column in the table; given were "
                f"window {self.window} and period {self.dataset.period}. Give both, or upsert."
            )

    @property
    def table(self) -> str:
        return self.dataset.table or ""

    @property
    def columns(self) -> Mapping[str, dy.Column]:
        return self.dataset.table_columns

    @property
    def key(self) -> list[str]:
        return [name for name, column in self.columns.items() if column.primary_key]

    @property
    def emptied(self) -> tuple[str, Window] | None:
        """The period column and the window that are emptied first, if any."""
        if self.mode != "replace" or self.window is None or self.dataset.period is None:
            return None
        return self.dataset.period, self.window
