"""Excel workbooks. A sheet is in memory as a whole, for it is compressed as a whole."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import fastexcel
import polars as pl

from tasks.errors import ContractError
from tasks.extract.wide_files.bounds import DEFAULT_BOUNDS, Bounds
from tasks.extract.wide_files.excel_files.extent import check_workbook
from tasks.extract.wide_files.excel_files.formulas import UNREADABLE, uncomputed_formulas
from tasks.extract.wide_files.layout import Layout
from tasks.extract.wide_files.sheet import Grid

_ROWS = 5_000  # at once


@dataclass(frozen=True)
class ExcelSheet:
    """All rows of the sheet, also the header's and those above it. Each cell is in `texts` or in `numbers`."""

    header: tuple[str, ...]
    above: int  # rows before the header
    texts: pl.DataFrame
    numbers: pl.DataFrame

    def grids(self) -> Iterator[Grid]:
        for row in range(self.above + 1, self.texts.height, _ROWS):
            yield Grid(row + 1, self.texts.slice(row, _ROWS), self.numbers.slice(row, _ROWS))


def open_excel(path: Path, layout: Layout, bounds: Bounds = DEFAULT_BOUNDS) -> ExcelSheet:
    """Raises ContractError for what is no workbook, or a larger one than the bounds, has no such sheet, or has several
    and none is named."""
    try:
        check_workbook(path, bounds)
        workbook = fastexcel.read_excel(path)
        sheet = _Loaded(workbook, _sheet_name(workbook.sheet_names, layout))
        cells, numbers, errors = sheet.cells("string"), sheet.cells("float"), sheet.errors()
        formulas = uncomputed_formulas(path, sheet.sheet)
        # The library makes numbers of texts too, by rules of its own, but truths of numbers and truths only.
        truths = sheet.cells("boolean")
    except (fastexcel.FastExcelError, *UNREADABLE) as error:
        said = str(error).splitlines()[0]
        raise ContractError(f"The Excel workbook cannot be read: {said}. Save it anew as .xlsx.") from error
    if unseen := [f for f in formulas if f[0] >= cells.height or f[1] >= cells.width]:
        raise ContractError(
            f"The formula {unseen[0][2]} in row {unseen[0][0] + 1} was never computed, nor was anything beside it. "
            "Open the workbook in Excel, save it, and drop it again."
        )
    is_number = [truths[n].is_not_null() & ~cells[n].is_in(["true", "false"]) for n in cells.columns]
    cells = cells.with_columns(  # a truth is shown as TRUE, which is also a ticker
        cells[n].zip_with(truths[n].is_null(), cells[n].str.to_uppercase()) for n in cells.columns
    )
    names, above = _header(cells, layout)
    return ExcelSheet(
        names,
        above,
        texts=_with(_where(cells, [~known for known in is_number]), [*errors, *formulas]),
        numbers=_with(_where(numbers, is_number), [(row, column, None) for row, column, _ in formulas]),
    )


@dataclass(frozen=True)
class _Loaded:
    workbook: fastexcel.ExcelReader
    sheet: str

    def cells(self, dtype: Literal["string", "boolean", "float"]) -> pl.DataFrame:
        """Each cell in this type, null if it has none; a column is named by its position."""
        frame = self._load(dtype).to_polars()
        return frame.rename(dict(zip(frame.columns, map(str, range(frame.width)), strict=True)))

    def errors(self) -> list[tuple[int, int, str]]:
        """Row, column and text of each cell with an error of Excel, such as Div0: no number, and not nothing either."""
        _, found = self._load("string").to_arrow_with_errors()
        named = [(*e.position, e.detail.rpartition("Error(")[2].rstrip(")'")) for e in found.errors] if found else []
        return [(row, column, f"error {name}") for row, column, name in named]

    def _load(self, dtype: Literal["string", "boolean", "float"]) -> fastexcel.ExcelSheet:
        return self.workbook.load_sheet(self.sheet, header_row=None, skip_rows=0, dtypes=dtype)


def _sheet_name(names: Sequence[str], layout: Layout) -> str:
    wanted = [name for name in names if layout.sheet in (None, name)]
    if len(wanted) == 1:
        return wanted[0]
    raise ContractError(f"The workbook has the sheets {', '.join(names)}. Set layout.sheet to the one to take.")


def _header(cells: pl.DataFrame, layout: Layout) -> tuple[tuple[str, ...], int]:
    """The names in the first row that is not empty below those to skip, and how many rows are above it."""
    for row in range(layout.skip_rows, cells.height):
        names = tuple((name or "").strip() for name in cells.row(row))
        if any(names):
            return names, row
    raise ContractError("The sheet is empty, or nothing is left of it below the rows to skip.")


def _where(cells: pl.DataFrame, wanted: Sequence[pl.Series]) -> pl.DataFrame:
    return cells.with_columns(cells[n].set(~some, None) for n, some in zip(cells.columns, wanted, strict=True))


def _with(frame: pl.DataFrame, cells: Sequence[tuple[int, int, str | None]]) -> pl.DataFrame:
    """The frame with these cells: row, column and what is in it."""
    for row, column, content in cells:
        frame[row, column] = content
    return frame
