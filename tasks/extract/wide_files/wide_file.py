"""Reads a wide vendor file, CSV or Excel: identifier, descriptions, and then one column per date, or all of it turned.

What the file itself does not tell is in a Layout. Nothing is guessed: what may be read in two ways is refused, and the
message says what to set."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from tasks.datasets import RAW_VENDOR_COLUMNS, RAW_VENDOR_ROWS, shard_of
from tasks.errors import ContractError
from tasks.extract.wide_files.bounds import DEFAULT_BOUNDS, Bounds
from tasks.extract.wide_files.csv_files.text import open_text
from tasks.extract.wide_files.dates_as_rows import dates_across
from tasks.extract.wide_files.descriptions import Descriptions
from tasks.extract.wide_files.header import Header, read_header
from tasks.extract.wide_files.layout import Decimal, Layout
from tasks.extract.wide_files.numbers import DecimalMark, cleaned, to_numbers
from tasks.extract.wide_files.sheet import Grid, Sheet
from tasks.libraries import EXCEL, require

_TEXT_FORMULA = r'^="([^"]*)"$'  # how a CSV file keeps a spreadsheet program from making a number of 0007
_NO_CODE = (
    r"^(?:=.*|error [A-Z]\w+|#(?:N/A|NULL!|DIV/0!|VALUE!|REF!|NAME\?|NUM!)|\d\.\d+[Ee]\+\d+"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)$"
)
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class WideFile:
    sheet: Sheet
    header: Header
    layout: Layout

    def columns(self) -> pl.DataFrame:
        """Frame of RAW_VENDOR_COLUMNS: the columns of dates."""
        rows = [(place, column.name, column.date) for place, column in enumerate(self.header.dates)]
        return pl.DataFrame(rows, schema=RAW_VENDOR_COLUMNS.polars_schema, orient="row")

    def rows(self) -> Iterator[pl.DataFrame]:
        """Frames of RAW_VENDOR_ROWS: the rows that have an identifier or a value, some at a time.

        Raises ContractError for a decimal mark that nothing proves, a value in a column without a name, and no rows,
        for a description that may be a date, and for identifiers of which many repeat."""
        decimal = self.layout.decimal or self._decimal()
        count = 0
        descriptions = Descriptions(self.header, self.layout)
        for grid in self.sheet.grids():
            self._check_nameless(grid)
            codes = self._codes(grid)
            descriptions.look(grid, codes)
            rows = self._rows(grid, codes, decimal)
            count += rows.height
            yield rows
        if not count:
            raise ContractError("The file has no row below its header. Drop one that has, or set layout.skip_rows.")
        descriptions.check()

    def _decimal(self) -> Decimal:
        mark = DecimalMark()
        for grid in self.sheet.grids():
            mark.look(self._texts(grid))
        return mark.decide()

    def _rows(self, grid: Grid, codes: pl.Series, decimal: Decimal) -> pl.DataFrame:
        texts = self._texts(grid)
        values = to_numbers(texts, decimal)
        unread = texts.set(values.is_not_null(), None)
        if grid.numbers is not None:
            values = values.zip_with(values.is_not_null(), self._cells(grid.numbers))
        height, width = grid.texts.height, len(self.header.dates)
        frame = pl.DataFrame(
            {
                "shard": pl.Series([shard_of(c or "", RAW_VENDOR_ROWS.shards) for c in codes], dtype=pl.UInt8),
                "row": pl.Series(range(grid.first_row, grid.first_row + height), dtype=pl.UInt32),
                "code": codes,
                "values": values.reshape((height, width)).arr.to_list(),
            }
        )
        rows = frame.join(_lists(unread, grid.first_row, width), on="row", how="left", maintain_order="left")
        has_value = pl.col("values").list.drop_nulls().list.len() > 0
        return rows.filter(pl.col("code").is_not_null() | pl.col("unread").is_not_null() | has_value)

    def _codes(self, grid: Grid) -> pl.Series:
        """The identifiers, null where nothing is, or not what the vendor wrote; of several columns joined by `|`."""
        parts = [self._identifier(grid, str(position)) for position in self.header.identifiers]
        if len(parts) > 1:
            escaped = [part.str.replace_all(r"([\\|])", r"\$1").alias(str(n)) for n, part in enumerate(parts)]
            codes = pl.select(pl.concat_str(escaped, separator="|")).to_series()
        else:
            codes = parts[0]
        is_empty = pl.select(pl.all_horizontal(part == "" for part in parts)).to_series()
        return codes.set(is_empty, None)

    def _identifier(self, grid: Grid, name: str) -> pl.Series:
        """One that the file has as a whole number is written without a point.

        Null for what a spreadsheet program has made of one: an error, a formula, a date, rounded digits."""
        codes = grid.texts[name].str.strip_chars()
        if grid.numbers is not None:
            numbers = grid.numbers[name]
            whole = numbers.cast(pl.Int64, strict=False)
            written = whole.cast(pl.String).zip_with(whole == numbers, numbers.cast(pl.String))
            codes = codes.zip_with(codes.is_not_null(), written)
        codes = codes.str.replace(_TEXT_FORMULA, "$1").str.strip_chars()
        codes = codes.fill_null("")
        return codes.set(codes.str.contains(_NO_CODE), None)

    def _texts(self, grid: Grid) -> pl.Series:
        """The cells of dates that are texts, row by row; null for those that stand for no value."""
        return cleaned(self._cells(grid.texts), self.layout.no_value)

    def _cells(self, frame: pl.DataFrame) -> pl.Series:
        return frame.select(pl.concat_arr(str(c.position) for c in self.header.dates)).to_series().explode()

    def _check_nameless(self, grid: Grid) -> None:
        for position in self.header.nameless:
            texts = cleaned(grid.texts[str(position)], self.layout.no_value)
            numbers = grid.numbers[str(position)] if grid.numbers is not None else texts.clear(texts.len())
            found = (texts.is_not_null() | numbers.is_not_null()).arg_true()
            if found.len():
                raise ContractError(
                    f"Row {grid.first_row + found[0]} has a value in column {position + 1}, which has no name in the "
                    "header. Name it, or empty it."
                )


def open_wide_file(path: Path, layout: Layout, today: date, bounds: Bounds = DEFAULT_BOUNDS) -> WideFile:
    """Tells by the first bytes whether it is CSV or Excel, whatever it is called.

    `today` tells the century of years of two digits.

    Raises ContractError for what is neither, for what is larger than the bounds, and for a header that cannot be read
    without doubt."""
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(_OLE):
        raise ContractError("The file is an Excel workbook of before 2007, or one with a password. Save it as .xlsx.")
    sheet = _open_excel(path, layout, bounds) if head == _ZIP else open_text(path, layout, bounds)
    sheet, is_turned = dates_across(sheet, layout, bounds.most_cells)
    try:
        return WideFile(sheet, read_header(sheet.header, layout, today), layout)
    except ContractError as error:
        if not is_turned:
            raise
        raise ContractError(
            f"The file has its dates as rows, so that its rows are called columns here. {error}"
        ) from None


def _open_excel(path: Path, layout: Layout, bounds: Bounds) -> Sheet:
    require(EXCEL, "An Excel workbook")
    from tasks.extract.wide_files.excel_files.sheets import open_excel  # noqa: PLC0415 - only who has one needs its library

    return open_excel(path, layout, bounds)


def _lists(unread: pl.Series, first_row: int, width: int) -> pl.DataFrame:
    """`row, unread_at, unread` of the rows with a cell that is no number, from all cells row by row."""
    at = unread.is_not_null().arg_true()
    cells = pl.DataFrame({"at": at, "unread": unread.gather(at)}).select(
        row=(pl.col("at") // width + first_row).cast(pl.UInt32),
        unread_at=(pl.col("at") % width).cast(pl.UInt32),
        unread="unread",
    )
    return cells.group_by("row", maintain_order=True).agg("unread_at", "unread")
