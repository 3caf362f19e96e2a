"""What the columns that are neither identifier nor date say of a wide file: that one may be a date that was not read as
one, or that an identifier takes more than one column."""

import polars as pl

from tasks.errors import ContractError
from tasks.extract.wide_files.header import Header
from tasks.extract.wide_files.layout import Layout
from tasks.extract.wide_files.numbers import cleaned, to_numbers
from tasks.extract.wide_files.sheet import Grid

_REPEATED = 0.05  # of the rows; one is always let through


class Descriptions:
    """Is shown all rows, and judges them at the end."""

    def __init__(self, header: Header, layout: Layout) -> None:
        self._names = {str(position): header.names[position] for position in header.descriptions}
        self._identifiers = [header.names[position] for position in header.identifiers]
        self._layout = layout
        self._numbers, self._texts = dict.fromkeys(self._names, 0), dict.fromkeys(self._names, 0)
        self._rows: list[pl.DataFrame] = []

    def look(self, grid: Grid, codes: pl.Series) -> None:
        for position in self._names:
            texts = cleaned(grid.texts[position], self._layout.no_value)
            read = int((to_numbers(texts, ".").is_not_null() | to_numbers(texts, ",").is_not_null()).sum())
            self._numbers[position] += read + (grid.numbers[position].count() if grid.numbers is not None else 0)
            self._texts[position] += texts.count() - read
        hashes = {position: _hashes(grid, [position]) for position in self._names}
        rows = pl.DataFrame({"code": codes, "row": _hashes(grid, grid.texts.columns), **hashes})
        self._rows.append(rows.drop_nulls("code"))

    def check(self) -> None:
        """Raises ContractError for a column of numbers, and for identifiers of which more than a few repeat."""
        if numbers := [n for p, n in self._names.items() if self._numbers[p] and not self._texts[p]]:
            raise ContractError(
                f"The column {numbers[0]!r} has nothing but numbers, and its name was not read as a date. Set "
                "layout.date_format if it is one, or put it into layout.ignore if it is no data."
            )
        rows = pl.concat(self._rows).unique(["code", "row"], maintain_order=True)
        repeated = rows.height - rows["code"].n_unique()
        if repeated > max(1, _REPEATED * rows.height):
            raise ContractError(
                f"{repeated} of {rows.height} rows have an identifier that a row before them has, and say something "
                f"else: {_most_frequent(rows)}. {self._advice(rows)}"
            )

    def _advice(self, rows: pl.DataFrame) -> str:
        """The fewest further columns that make each row's identifier its own, as far as one after the other tells."""
        columns: list[str] = []
        distinct = rows["code"].n_unique()
        while distinct < rows.height:
            rest = [p for p in self._names if p not in columns]
            counts = {p: rows.select(pl.struct("code", *columns, p).n_unique()).item() for p in rest}
            best = max(counts, key=lambda p: counts[p], default=None)
            if best is None or counts[best] == distinct:
                return "No other column tells them apart: correct the file."
            columns.append(best)
            distinct = counts[best]
        named = ", ".join(repr(name) for name in [*self._identifiers, *(self._names[p] for p in columns)])
        return f"Set layout.identifier to {named}, which together are unique."


def _hashes(grid: Grid, columns: list[str]) -> pl.Series:
    hashes = grid.texts.select(columns).hash_rows()
    return hashes if grid.numbers is None else hashes ^ grid.numbers.select(columns).hash_rows(seed=1)


def _most_frequent(rows: pl.DataFrame) -> str:
    code, count = rows["code"].value_counts().sort("count", "code", descending=[True, False]).row(0)
    return f"{code!r} {count} times"
