"""Sorts the cells of a vendor file: those with a value, those that say it again, and those that cannot be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from tasks.transform.reshape import to_long

NOT_A_NUMBER = "is not a number"
NO_IDENTIFIER = "the row has no identifier"
ANOTHER_BEFORE = "another cell of this code and date comes before it, and says otherwise"


@dataclass(frozen=True)
class SortedCells:
    """`good` has `code, date, value`, one row per code and date; `bad` has `row, code, date, text, reasons`."""

    good: pl.DataFrame
    bad: pl.DataFrame
    duplicates: int  # that say the same as the good cell of their code and date
    received: int  # cells with anything in them
    numbers: pl.DataFrame  # `code, row`: where a code's good cells are


def sort_cells(raw: pl.DataFrame, dates: Mapping[int, date]) -> SortedCells:
    """The cells of rows of RAW_VENDOR_ROWS at these places, which are in the order of the file.

    Of cells with the same code and date the first one stands, even if it is empty."""
    days = {str(place): day for place, day in dates.items()}
    wide = raw.select("row", "code", *_places(dates))
    unread = _unread(raw, dates)
    named = wide.filter(pl.col("code").is_not_null())
    good = to_long(named.drop("row"), "code", days).rows
    again = _repeated(named, days).join(good, on=["code", "date"], how="left", suffix="_first", maintain_order="left")
    is_same = pl.col("value").eq_missing(pl.col("value_first"))
    bad = [
        _bad(unread, NOT_A_NUMBER),
        _bad(_cells(wide.filter(pl.col("code").is_null()), days), NO_IDENTIFIER),
        _bad(again.filter(~is_same), ANOTHER_BEFORE),
    ]
    values = wide.select(pl.sum_horizontal(pl.col(*days).count())).item()
    numbers = named.select("code", "row").unique("code", keep="first", maintain_order=True)
    return SortedCells(good, pl.concat(bad), again.filter(is_same).height, values + unread.height, numbers)


def _bad(cells: pl.DataFrame, reasons: str) -> pl.DataFrame:
    return cells.select("row", "code", "date", text=pl.col("value").cast(pl.String), reasons=pl.lit(reasons))


def _places(dates: Mapping[int, date]) -> list[pl.Expr]:
    return [pl.col("values").list.get(place).alias(str(place)) for place in dates]


def _unread(raw: pl.DataFrame, dates: Mapping[int, date]) -> pl.DataFrame:
    """`row, code, date, value`: the texts of cells that are no numbers."""
    texts = raw.filter(pl.col("unread").is_not_null()).select("row", "code", place="unread_at", value="unread")
    return _dated(texts.explode("place", "value"), dates)


def _repeated(named: pl.DataFrame, days: Mapping[str, date]) -> pl.DataFrame:
    """`row, code, date, value`: the cells in rows of a code, and columns of a date, that came before."""
    is_first = named.get_column("code").is_first_distinct()
    first_places = {day: place for place, day in reversed(list(days.items()))}
    later = {place: day for place, day in days.items() if first_places[day] != place}
    return pl.concat([_cells(named.filter(~is_first), days), _cells(named.filter(is_first), later)])


def _cells(wide: pl.DataFrame, days: Mapping[str, date]) -> pl.DataFrame:
    """`row, code, date, value`: the cells that are not empty."""
    cells = wide.unpivot(list(days), index=["row", "code"], variable_name="place").drop_nulls("value")
    return _dated(cells.with_columns(pl.col("value").cast(pl.Float64)), days)


def _dated(cells: pl.DataFrame, dates: Mapping[int, date] | Mapping[str, date]) -> pl.DataFrame:
    """The cells at these places, with the date instead of the place."""
    days = pl.DataFrame({"place": list(dates), "date": pl.Series(list(dates.values()), dtype=pl.Date)})
    typed = days.with_columns(pl.col("place").cast(cells.schema["place"]))
    return cells.join(typed, on="place", maintain_order="left").select("row", "code", "date", "value")
