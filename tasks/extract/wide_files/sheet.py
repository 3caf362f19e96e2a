"""What the readers of wide files have in common: a header, and rows of cells some at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import polars as pl


@dataclass(frozen=True)
class Grid:
    """Some rows, a column per column of the file, named by its position.

    `texts` are strings, null or empty where nothing is. Cells that the file itself has as numbers are in `numbers`,
    and null in `texts`; None where the file knows no numbers."""

    first_row: int  # its number in the file, from 1
    texts: pl.DataFrame
    numbers: pl.DataFrame | None


class Sheet(Protocol):
    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns without space around them; empty where there is none."""
        ...

    def grids(self) -> Iterator[Grid]:
        """The rows below the header, from the first, whenever it is called."""
        ...
