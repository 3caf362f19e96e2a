"""Cells of a column: those where something holds, null elsewhere."""

import polars as pl


def nothing(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """As many nulls of this type, by the name of the column."""
    return pl.Series(column.name, [None], dtype).new_from_index(0, column.len())


def where(holds: pl.Series, values: pl.Series) -> pl.Series:
    return pl.select(pl.when(holds).then(values)).to_series()


def whole(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """The values that survive the way to this type and back."""
    there = _cast(values, dtype)
    return where(_cast(there, values.dtype) == values, there)


def _cast(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    if {values.dtype.is_float(), dtype.is_float()} == {values.dtype.is_decimal(), dtype.is_decimal()} == {True, False}:
        values = values.cast(pl.String)  # what a float says are the fewest digits that tell it
    return values.cast(dtype, strict=False)
