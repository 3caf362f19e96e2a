"""How much an Excel workbook holds, told before the library reads it: that one allocates a sheet from its first cell to
its last, whatever is between, and an allocation that fails there aborts the process."""

import re
import zipfile
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

from tasks.errors import ContractError
from tasks.extract.wide_files.bounds import Bounds

_BLOCK = 1 << 20  # bytes
_SMALL = {"xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/styles.xml", "[Content_Types].xml"}
_MOST_OF_SMALL = 16 << 20  # bytes
_MOST_ROWS, _MOST_COLUMNS = 1 << 20, 1 << 14  # that Excel has
_LONGEST_TAG = 64 << 10  # bytes
_TAG = re.compile(rb"<(?:[\w.-]+:)?(row|c|si)((?:\s[^<>]*)?)>")
_PLACE = re.compile(rb"\br\s*=\s*[\"']([A-Za-z]*)(\d*)")


def check_workbook(path: Path, bounds: Bounds) -> None:
    """Reads all parts once, a block at a time. What the archive's directory says of their sizes is not believed.

    Raises ContractError for what is not .xlsx, and for what is larger than the bounds."""
    with zipfile.ZipFile(path) as workbook:
        names = workbook.namelist()
        if "xl/workbook.xml" not in names or len(set(names)) != len(names):
            raise ContractError("The workbook is not as Excel writes .xlsx. Save it anew as .xlsx.")
        left = bounds.workbook_most_bytes
        for info in workbook.infolist():
            extent, size = _Extent(bounds.most_cells), 0
            for block in _unpacked(workbook, info, left):
                size += len(block)
                if size > min(left, _MOST_OF_SMALL if info.filename in _SMALL else left):
                    raise ContractError(
                        f"The workbook unpacks to more than {bounds.workbook_most_bytes:,} bytes, or its "
                        f"{info.filename} to more than {_MOST_OF_SMALL:,}. Drop it in parts, or as CSV; "
                        "ETL_WORKBOOK_MOST_BYTES."
                    )
                extent.look(block)
            left -= size


def _unpacked(workbook: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> Iterator[bytes]:
    info.file_size = most + 1  # else no more is read than the directory tells
    with workbook.open(info) as part:
        yield from iter(lambda: part.read(_BLOCK), b"")


class _Extent:
    """The rows and columns from the first cell with something in it to the last."""

    def __init__(self, most_cells: int) -> None:
        self._most = most_cells
        self._rest = b""
        self._texts = 0  # that cells share
        self._row, self._column = 0, 0
        self._first: tuple[int, int] | None = None
        self._last = (0, 0)

    def look(self, block: bytes) -> None:
        """Raises ContractError once they are too many."""
        text = self._rest + block
        for tag in _TAG.finditer(text):
            if tag[1] == b"si":
                self._texts += 1
            else:
                self._see(tag[1] == b"row", tag[2])
        if self._texts > self._most:
            raise ContractError(
                f"The workbook has more than {self._most:,} texts, and no more are let into memory. Drop it in parts, "
                "or as CSV; ETL_FILE_MOST_CELLS."
            )
        begun = text.rfind(b"<")
        self._rest = text[begun:] if begun > text.rfind(b">") else b""
        if len(self._rest) > _LONGEST_TAG:
            raise ContractError("The workbook has a tag without an end. Save it anew as .xlsx.")

    def _see(self, is_row: bool, attributes: bytes) -> None:  # noqa: FBT001 - the only other tag is a cell's
        place = _PLACE.search(attributes)
        letters, digits = place.groups() if place else (b"", b"")
        if is_row:
            self._row, self._column = int(digits) if digits else self._row + 1, 0
            return
        if digits:
            self._row = int(digits)
        self._column = reduce(lambda n, c: n * 26 + c - 64, letters.upper(), 0) if letters else self._column + 1
        if attributes.endswith(b"/"):  # nothing is in it but a format
            return
        here = self._row, self._column
        self._first = tuple(map(min, self._first or here, here))  # type: ignore[assignment]  # of two
        self._last = tuple(map(max, self._last, here))  # type: ignore[assignment]
        rows, columns = (last - first + 1 for first, last in zip(self._first or here, self._last, strict=True))
        if rows * columns > self._most or self._row > _MOST_ROWS or self._column > _MOST_COLUMNS:
            raise ContractError(
                f"The sheet reaches to row {self._last[0]:,} and column {self._last[1]:,}: {rows * columns:,} cells, "
                f"and {self._most:,} are let into memory. Delete what is outside of the table, or drop it in parts or "
                "as CSV; ETL_FILE_MOST_CELLS."
            )
