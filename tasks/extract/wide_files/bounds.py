"""How large a vendor file may be, so that it decides nothing about our memory. All are settings."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    most_bytes: int = 4 << 30  # unpacked: a few kilobytes can become more than any disk has
    most_columns: int = 32_000  # of CSV
    longest_line: int = 8 << 20  # characters of a row of CSV, and of a line in a quoted cell
    workbook_most_bytes: int = 256 << 20  # of all parts, unpacked
    most_cells: int = 5_000_000  # of what is in memory as a whole: a sheet of Excel, and dates as rows


DEFAULT_BOUNDS = Bounds()
