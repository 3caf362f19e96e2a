"""CSV files of any separator and encoding, some rows at a time."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.csv as pc

from tasks.errors import ContractError
from tasks.extract.wide_files.bounds import DEFAULT_BOUNDS, Bounds
from tasks.extract.wide_files.csv_files.encoding import decode_error, find_encoding
from tasks.extract.wide_files.csv_files.quotes import Lines, Record, check_quotes
from tasks.extract.wide_files.header import count_dates
from tasks.extract.wide_files.layout import SEPARATORS, Layout, Separator
from tasks.extract.wide_files.sheet import Grid
from tasks.isolation import Failure, attempt

_BLOCK = 8 << 20  # bytes of the file that are parsed at once: no row has more
_CELLS = 1_000_000  # of these that are worked on at once: each may be a byte, and takes a hundred then


@dataclass(frozen=True)
class TextSheet:
    """Records of cells. A record that has not as many as the header is refused: one that is cut off looks so."""

    path: Path
    header: tuple[str, ...]
    encoding: str
    separator: Separator
    above: int  # lines before the header, as they are in the file
    has_rows: bool

    def grids(self) -> Iterator[Grid]:
        """Raises ContractError for a record of another length, and for bytes that the encoding does not have."""
        if not self.has_rows:
            return
        row = self.above + 2
        wrong: list[Any] = []
        try:
            for batch in self._open(wrong):
                for texts in pl.DataFrame(batch).iter_slices(max(1, _CELLS // len(self.header))):
                    yield Grid(row, texts, None)
                    row += texts.height
        except UnicodeDecodeError as error:
            raise decode_error(self.encoding, str(error)) from None
        except pa.ArrowInvalid as error:
            raise self._explained(error, wrong) from None

    def _open(self, wrong: list[Any]) -> Iterator[pa.RecordBatch]:
        def refuse(row: Any) -> str:  # noqa: ANN401 - a pyarrow.csv.InvalidRow, which has no type stubs
            wrong.append(row)
            return "error"

        names = [str(i) for i in range(len(self.header))]
        yield from pc.open_csv(
            self.path,
            # One thread: with more, nobody knows which record it was.
            pc.ReadOptions(
                column_names=names,
                encoding=self.encoding,
                block_size=_BLOCK,
                use_threads=False,
                skip_rows=self.above,
                skip_rows_after_names=1,
            ),
            pc.ParseOptions(delimiter=self.separator, newlines_in_values=True, invalid_row_handler=refuse),
            pc.ConvertOptions(column_types=dict.fromkeys(names, pa.large_string())),
        )

    def _explained(self, error: pa.ArrowInvalid, wrong: list[Any]) -> ContractError:
        if wrong:
            row, number = wrong[0], self.above + wrong[0].number
            return ContractError(
                f"Row {number} has {row.actual_columns} cells and the header has {row.expected_columns}: "
                f"{row.text[:80]!r}. Put quotes around cells with {self.separator!r} in them, or drop a cut file anew."
            )
        if "UTF8" in str(error):
            return decode_error(self.encoding, str(error))
        return ContractError(f"The file cannot be read as CSV: {error}. Look for a quote that is never closed.")


def open_text(path: Path, layout: Layout, bounds: Bounds = DEFAULT_BOUNDS) -> TextSheet:
    """Raises ContractError for a file that is no text, without a header, or of another encoding than it should be."""
    encoding = find_encoding(path, layout.encoding)
    separators = [layout.separator] if layout.separator else SEPARATORS
    tried = [attempt(partial(_opened, path, layout, encoding, separator, bounds)) for separator in separators]
    found = [sheet for sheet in tried if not isinstance(sheet, Failure)]
    if not found:
        raise next(failure.error for failure in tried if isinstance(failure, Failure))
    sheet = max(found, key=lambda sheet: (count_dates(sheet.header, layout), len(sheet.header)))
    check_quotes(path, encoding, sheet.separator, sheet.above, len(sheet.header), bounds.longest_line)
    return sheet


def _opened(path: Path, layout: Layout, encoding: str, separator: Separator, bounds: Bounds) -> TextSheet:
    try:
        with path.open(encoding=encoding) as file:
            lines = Lines(file, bounds.longest_line)
            for _ in range(layout.skip_rows):
                next(lines, None)
            header, above = _header(lines, separator, bounds.most_columns)
            has_rows = any(line.strip() for line in lines)
    except UnicodeDecodeError as error:
        raise decode_error(encoding, str(error)) from None
    except csv.Error as error:
        raise ContractError(
            f"The header cannot be read as CSV: {error}. Look for a quote that is never closed."
        ) from None
    return TextSheet(path, header, "utf8" if encoding == "utf-8-sig" else encoding, separator, above, has_rows)


def _header(lines: Lines, separator: Separator, most: int) -> tuple[tuple[str, ...], int]:
    """The first record that is not empty, and how many lines come before it."""
    for line in lines:
        if line.strip():
            above = lines.count - 1
            if line.count(separator) >= most:
                raise ContractError(
                    f"The header has more than {most:,} columns, by {separator!r}. Drop the file in parts, or set "
                    "layout.separator; ETL_FILE_MOST_COLUMNS."
                )
            record = Record(line, lines, above + 1)
            return tuple(name.strip() for name in next(csv.reader(record, delimiter=separator))), above
    raise ContractError("The file is empty, or nothing is left of it below the rows to skip.")
