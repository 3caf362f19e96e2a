"""Tables with one row per date and one column per identifier, as central banks publish them, are turned: in memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from tasks.errors import ContractError
from tasks.extract.wide_files.bounds import DEFAULT_BOUNDS
from tasks.extract.wide_files.header import count_dates
from tasks.extract.wide_files.layout import Layout
from tasks.extract.wide_files.sheet import Grid, Sheet


@dataclass(frozen=True)
class TurnedSheet:
    """A row per column of the file, which has its number."""

    header: tuple[str, ...]
    grid: Grid

    def grids(self) -> Iterator[Grid]:
        yield self.grid


def dates_across(sheet: Sheet, layout: Layout, most_cells: int = DEFAULT_BOUNDS.most_cells) -> tuple[Sheet, bool]:
    """The sheet with a column per date, and whether it was turned: its first column has dates, its header none.

    Raises ContractError for one of more cells to turn than these, which would not fit into memory."""
    if count_dates(sheet.header, layout) or not _has_dates_below(sheet, layout):
        return sheet, False
    texts, numbers, cells = [pl.DataFrame([[name] for name in sheet.header], schema=_columns(sheet))], [], 0
    for grid in sheet.grids():
        cells += grid.texts.height * grid.texts.width
        if cells > most_cells:
            raise ContractError(
                f"The file has its dates as rows, and more than {most_cells:,} cells. Drop it in parts; "
                "ETL_FILE_MOST_CELLS."
            )
        texts.append(grid.texts.cast(pl.String))
        numbers += [grid.numbers] if grid.numbers is not None else []
    turned = pl.concat(texts)
    header = tuple((name or "").strip() for name in turned["0"])
    return TurnedSheet(header, Grid(2, _turned(turned), _turned(_below_header(numbers)) if numbers else None)), True


def _has_dates_below(sheet: Sheet, layout: Layout) -> bool:
    first = next(iter(sheet.grids()), None)
    return first is not None and count_dates([t.strip() for t in first.texts["0"].drop_nulls()], layout) > 0


def _columns(sheet: Sheet) -> dict[str, type[pl.String]]:
    return {str(position): pl.String for position in range(len(sheet.header))}


def _below_header(numbers: list[pl.DataFrame]) -> pl.DataFrame:
    found = pl.concat(numbers)
    return pl.concat([found.clear(1), found])


def _turned(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns but the first as rows, named by their position."""
    turned = frame.drop("0").transpose()
    return turned.rename(dict(zip(turned.columns, map(str, range(turned.width)), strict=True)))
