"""Quotes of CSV files, as strictly as RFC 4180 has them: a quote that is missing must not make one row of two.

pyarrow, which reads the cells, takes what it gets: it ends a quoted cell at any quote, and at the end of the file."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from tasks.errors import ContractError
from tasks.extract.wide_files.csv_files.encoding import decode_error

_QUOTED = r'(?:^|(?<={}))"(?:[^"]|"")*"'  # a cell, behind the separator
_SHOWN = 80  # characters of a line in a message


class Lines(Iterator[str]):
    """The lines of a file, each of a length that a line can have."""

    def __init__(self, file: TextIO, longest: int) -> None:
        self._file = file
        self.longest = longest
        self.count = 0

    def __next__(self) -> str:
        line = self._file.readline(self.longest)
        if not line:
            raise StopIteration
        if len(line) == self.longest:
            raise ContractError(
                f"Line {self.count + 1} has more than {self.longest:,} characters: this is no CSV file, or "
                "ETL_FILE_LONGEST_LINE is too small for it."
            )
        self.count += 1
        return line


def check_quotes(path: Path, encoding: str, separator: str, above: int, width: int, longest: int) -> None:
    """Looks at all rows from the header on, which has so many lines `above` it and is so many cells wide.

    A quote within a cell that does not begin with one, as in 5" pipe, is text. Raises ContractError for a quoted cell
    that does not end at a separator or at the end of a line, for rows that are one with their quotes and several
    without them, and for a row where either of two quotes may be the wrong one."""
    try:
        with path.open(encoding=encoding) as file:
            lines = Lines(file, longest)
            for _ in range(above):
                next(lines, None)
            row = above
            for line in lines:
                row += not line.isspace()
                if '"' in line:
                    _check(Record(line, lines, row), separator, width)
    except UnicodeDecodeError as error:
        raise decode_error(encoding, str(error)) from None


class Record(Iterator[str]):
    """The lines of one row, as many as its quotes take."""

    def __init__(self, first: str, following: Lines, row: int) -> None:
        self._waiting, self._following = [first], following
        self.taken: list[str] = []
        self._length = 0
        self.row = row

    def __next__(self) -> str:
        self.taken.append(self._waiting.pop() if self._waiting else next(self._following))
        self._length += len(self.taken[-1])
        if self._length > self._following.longest:
            raise ContractError(
                f"Row {self.row} has more than {self._following.longest:,} characters: a quote is never closed, or "
                "ETL_FILE_LONGEST_LINE is too small for it."
            )
        return self.taken[-1]


def _check(record: Record, separator: str, width: int) -> None:
    try:
        cells = next(csv.reader(record, delimiter=separator, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            raise ContractError(
                f"The file ends within quotes: it was cut off, or a quote of row {record.row} is never closed: "
                f"{record.taken[0][:_SHOWN]!r}. Drop it anew, whole."
            ) from None
        raise ContractError(
            f"Row {record.row} has a quoted cell that does not end before a {separator!r} or the end of a line: "
            f"{record.taken[0][:_SHOWN]!r}. Close it, or double the quotes that are part of the text."
        ) from None
    text = "".join(record.taken)
    if any(separator in cell for cell in cells) and '"' in re.sub(_QUOTED.format(re.escape(separator)), "", text):
        raise ContractError(
            f"Row {record.row} has a quoted cell with a {separator!r} in it, and a quote in a cell that is not quoted: "
            f"{text[:_SHOWN]!r}. One of them may be at the wrong place: correct it."
        )
    if len(record.taken) > 1 and all(line.count(separator) >= width - 1 for line in record.taken):
        raise ContractError(
            f"Row {record.row} is one row with its quotes and {len(record.taken)} without them, so that one may be "
            f"missing: {record.taken[0][:_SHOWN]!r}. Correct the quotes, or take the line breaks out of the cell."
        )
