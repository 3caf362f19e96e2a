"""What a load is asked to do, checked before anything is touched."""

from collections.abc import Mapping
from dataclasses import dataclass

import dataframely as dy

from tasks.datasets import Dataset
from tasks.errors import ConfigurationError
from tasks.load.part import MODES, Mode
from tasks.window import Window


@dataclass(frozen=True)
class Order:
    dataset: Dataset
    mode: Mode
    run: str
    window: Window | None = None  # what mode `replace` empties first

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
