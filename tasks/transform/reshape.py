"""Wide vendor files become long, and get a trailing mean: pure functions of frames.

A wide frame has a column of identifiers, some that describe them, and then one column per date. What repeats is dropped
while the frame is still wide: there it is a few thousand names to compare, in the long frame millions of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from tasks.errors import ConfigurationError, ContractError


@dataclass(frozen=True)
class Reshaped:
    """`rows` has `code` (String), `date` (Date) and `value` (Float64), is sorted by code and date, and has no null.

    Each cell received became a row, or is one of the `duplicates` or of the `empty` ones."""

    rows: pl.DataFrame
    received: int
    duplicates: int  # in a row or column whose identifier or date came before
    empty: int


def to_long(wide: pl.DataFrame, identifier: str, dates: Mapping[str, date]) -> Reshaped:
    """One row per identifier and date that has a value. `dates` names the columns to take.

    Of rows with the same identifier the first stands, and so does of columns with the same date, even where their cells
    are empty, which is null or NaN. Raises ContractError for a column that is not there, a row without an identifier
    and a cell that is no number."""
    _check(wide, identifier, dates)
    days = _first_of_each(dates)
    code = pl.col(identifier).cast(pl.String).alias("code")
    order = wide.select(code).with_row_index("row").unique("code", keep="first").sort("code").get_column("row")
    try:
        # An array per identifier, laid out in the order of the rows that they become.
        arrays = wide[order].select(
            code,
            date=pl.lit(list(days), dtype=pl.Array(pl.Date, len(days))),
            value=pl.concat_arr(pl.col(list(days.values())).cast(pl.Float64)),
        )
    except pl.exceptions.InvalidOperationError as error:
        failed = str(error).partition("\n")[0]
        raise ContractError(
            f"The cells beside {identifier} were read as numbers, but {failed}. Tell the reader what stands for no "
            "value, or correct the cell."
        ) from error
    cells = arrays.explode("date", "value")
    has_value = cells.get_column("value").is_not_nan().fill_null(value=False)
    rows = cells if has_value.all() else cells.filter(has_value)
    received = wide.height * len(dates)
    return Reshaped(rows, received, duplicates=received - cells.height, empty=cells.height - rows.height)


def trailing_mean(long: pl.DataFrame, n: int) -> pl.DataFrame:
    """`trailing_mean` is over the code's last n dates up to the row's, `dates_in_mean` is how many these are.

    Takes `code`, `date` and `value`, in any order, and gives them with these two as further columns, sorted by code
    and date. Dates are those that the code has, not those of a calendar. Raises ContractError for a date that a code
    has twice and for a value that is not finite, ConfigurationError for an n below 1."""
    if n < 1:
        raise ConfigurationError(f"A trailing mean of {n} dates has no date in it. Give 1 or more.")
    if not long.get_column("value").is_finite().all(ignore_nulls=False):
        raise ContractError("A trailing mean was asked of values that are null, NaN or infinite. Remove those rows.")
    grouped = _grouped(long)
    if not _ascending(grouped):
        grouped = _grouped(long.sort("code", "date"))
        if not _ascending(grouped):
            raise ContractError("A trailing mean was asked of rows that share code and date. Keep one of each.")
    return grouped.with_columns(
        trailing_mean=pl.col("value").rolling_mean(n, min_samples=1).over("group"),
        dates_in_mean=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("group").clip(upper_bound=n),
    ).drop("group")


_NAMED = 5  # columns at most in a message


def _check(wide: pl.DataFrame, identifier: str, dates: Mapping[str, date]) -> None:
    if missing := [name for name in (identifier, *dates) if name not in wide.columns]:
        raise ContractError(f"The wide frame has no column {_listed(missing)}. It begins with {_listed(wide.columns)}.")
    if not dates:
        raise ContractError("A wide frame without a column of a date was to become long. Name its dates.")
    if unnamed := wide.get_column(identifier).null_count():
        raise ContractError(
            f"{unnamed} of {wide.height} rows have nothing in the column {identifier}. Remove what is no data, such as "
            "a footer, or fill it."
        )


def _first_of_each(dates: Mapping[str, date]) -> dict[date, str]:
    """The name of the first column of each date, in order of dates."""
    first: dict[date, str] = {}
    for name, day in dates.items():
        first.setdefault(day, name)
    return dict(sorted(first.items()))


def _grouped(long: pl.DataFrame) -> pl.DataFrame:
    # Rows are found by a number that counts up much faster than by a text.
    return long.select("code", "date", "value", group=pl.col("code").rle_id())


def _ascending(grouped: pl.DataFrame) -> bool:
    """Whether each row is of a later code than the row before it, or of the same code and a later date."""
    group = grouped.get_column("group")
    starts = group != group.shift()
    later = grouped.get_column("date") > grouped.get_column("date").shift()
    codes = grouped.get_column("code").filter(starts.fill_null(value=True))
    return bool((starts | later).all() and codes.is_sorted())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more
