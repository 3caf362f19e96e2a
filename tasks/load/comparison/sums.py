"""Counts and sums of rows by year and by the texts of their key, the same made by SQL and by polars.

Of each column the values that are not null are counted and summed, once as they are and once weighted by the day of the
year, so that values which change places are seen. A text counts by its length, a date by its day. What is neither of
these, nor a number, is only counted.
"""

from collections.abc import Iterator
from typing import Any

import dataframely as dy
import polars as pl
import sqlalchemy as sa

from tasks.datasets import Dataset
from tasks.window import Window

YEAR, ROWS = "year", "rows"
_EPSILON = 2.0**-52
_SLACK = 16  # roundings of an engine that tells a sum in 15 digits


def groups_of(dataset: Dataset) -> list[str]:
    """The texts of the key."""
    return [n for n in dataset.key if dataset.polars_schema[n] == pl.String]


def in_sql(table: sa.Table, dataset: Dataset, window: Window) -> sa.Select[tuple[object, ...]]:
    """Of the rows of the window. One scan of the table; as many rows as there are groups."""
    period = table.c[str(dataset.period)]
    groups = [sa.cast(sa.extract("year", period), sa.Integer).label(YEAR), *(table.c[n] for n in groups_of(dataset))]
    weight = _day(period)
    sums = [sa.func.count().label(ROWS), _total(weight).label("weight")]
    for place, (name, dtype) in enumerate(_summed(dataset)):
        column = table.c[name]
        sums.append(sa.func.count(column).label(f"count_{place}"))
        if (number := _number(column, dtype)) is not None:
            sums += [_total(number).label(f"sum_{place}"), _total(number * weight).label(f"weighted_{place}")]
    within = period.between(window.first, window.last)
    return sa.select(*groups, *sums).where(within).group_by(*[sa.extract("year", period), *groups[1:]])


def in_polars(rows: pl.LazyFrame, dataset: Dataset) -> pl.DataFrame:
    """As `in_sql`, with the bound of each sum, `bound_...`: so far may two ways to add the same numbers be apart."""
    period = pl.col(str(dataset.period))
    weight = _day_of_polars(period)
    sums = [pl.len().cast(pl.Int64).alias(ROWS), weight.sum().alias("weight")]
    for place, (name, dtype) in enumerate(_summed(dataset)):
        sums.append(pl.col(name).count().cast(pl.Int64).alias(f"count_{place}"))
        if (number := _of_polars(pl.col(name), dtype)) is not None:
            for kind, terms in (("sum", number), ("weighted", number * weight)):
                roundings = (pl.len() + _SLACK) * _EPSILON
                sums += [
                    terms.sum().alias(f"{kind}_{place}"),
                    (terms.abs().sum() * roundings).alias(f"bound_{kind}_{place}"),
                ]
    keys = [period.dt.year().cast(pl.Int64).alias(YEAR), *(pl.col(n).cast(pl.String) for n in groups_of(dataset))]
    return rows.group_by(keys).agg(sums).collect()


def differing(stored: pl.DataFrame, wanted: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The groups that are not the same: year, texts of the key, and `rows` that there are too many (below 0: few)."""
    keys = [YEAR, *groups_of(dataset)]
    types = pl.Schema({n: t for n, t in wanted.schema.items() if n in stored.columns})
    both = stored.cast(types).join(wanted, on=keys, how="full", coalesce=True, suffix="_wanted")
    same = [
        _same(name, wanted.columns) for name in wanted.columns if name not in keys and not name.startswith("bound_")
    ]
    excess = pl.col(ROWS).fill_null(0) - pl.col(f"{ROWS}_wanted").fill_null(0)
    return both.filter(~pl.all_horizontal(same)).select(*keys, excess.alias(ROWS)).sort(keys)


def _same(name: str, columns: list[str]) -> pl.Expr:
    apart = (pl.col(name) - pl.col(f"{name}_wanted")).abs()
    bound = pl.col(f"bound_{name}") if f"bound_{name}" in columns else 0
    return (apart <= bound).fill_null(value=False)


def _summed(dataset: Dataset) -> Iterator[tuple[str, pl.DataType]]:
    left_out = {dataset.period, *groups_of(dataset)}
    columns: dict[str, dy.Column] = dataset.table_columns
    return ((name, column.dtype) for name, column in columns.items() if name not in left_out)


def _total(number: sa.ColumnElement[float]) -> sa.ColumnElement[float]:
    return sa.func.coalesce(sa.func.sum(number), sa.cast(0, sa.Double))


def _day(column: sa.ColumnElement[Any]) -> sa.ColumnElement[float]:
    """A number that is later days' higher, of parts that each engine can tell."""
    year, month, day = (sa.extract(field, column) for field in ("year", "month", "day"))
    return sa.cast(year * 372 + month * 31 + day, sa.Double)


def _day_of_polars(column: pl.Expr) -> pl.Expr:
    day = column.dt
    return (day.year().cast(pl.Int64) * 372 + day.month().cast(pl.Int64) * 31 + day.day()).cast(pl.Float64)


def _number(column: sa.ColumnElement[Any], dtype: pl.DataType) -> sa.ColumnElement[float] | None:
    if isinstance(dtype, pl.Date):
        return _day(column)
    if isinstance(dtype, pl.Boolean):
        return sa.cast(sa.cast(column, sa.Integer), sa.Double)
    if dtype.is_integer() or dtype.is_float():
        return sa.cast(column, sa.Double)
    return sa.cast(sa.func.char_length(column), sa.Double) if isinstance(dtype, pl.String) else None


def _of_polars(column: pl.Expr, dtype: pl.DataType) -> pl.Expr | None:
    if isinstance(dtype, pl.Date):
        return _day_of_polars(column)
    if isinstance(dtype, pl.Boolean) or dtype.is_integer() or dtype.is_float():
        return column.cast(pl.Float64)
    return column.str.len_chars().cast(pl.Float64) if isinstance(dtype, pl.String) else None
