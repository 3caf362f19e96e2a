"""The rows of a part on their way to the warehouse: exactly as the contract says, and in the order of the key."""

from collections.abc import Mapping, Sequence

import dataframely as dy
import polars as pl

from tasks.errors import ContractError


def prepared(
    rows: pl.DataFrame | pl.LazyFrame, columns: Mapping[str, dy.Column], key: Sequence[str], what: str
) -> pl.DataFrame:
    """The rows in memory, columns in the contract's order and types, sorted by the key.

    The order is what makes SQL stores fast: neighbours go to the same page of the table. Raises ContractError for
    a missing or unknown column, another type, a null where none may be, and a key that occurs twice; `what` is
    what its message calls the rows.
    """
    found = rows.collect_schema()
    _check_names(found, columns, what)
    _check_types(found, columns, what)
    frame = rows.lazy().select(pl.col(name).cast(column.dtype) for name, column in columns.items()).collect()
    _check_nulls(frame, columns, what)
    if not key:
        return frame
    # To put in order takes ten times as long as to see that it is.
    frame = frame if _is_sorted(frame, key) else frame.sort(key)
    _check_key(frame, key, what)
    return frame


def _is_sorted(frame: pl.DataFrame, key: Sequence[str]) -> bool:
    before = pl.lit(value=False)
    for name in reversed(key):
        this, last = pl.col(name), pl.col(name).shift()
        before = (this < last) | ((this == last) & before)
    return not frame.lazy().select(before.any()).collect().item()


def _check_names(found: pl.Schema, columns: Mapping[str, dy.Column], what: str) -> None:
    missing = [name for name in columns if name not in found]
    unknown = [name for name in found if name not in columns]
    if missing or unknown:
        raise ContractError(
            f"The columns of {what} are not those of its contract: missing {missing}, unknown {unknown}. "
            f"Give exactly {list(columns)}."
        )


def _check_types(found: pl.Schema, columns: Mapping[str, dy.Column], what: str) -> None:
    wrong = [
        f"{name} is {found[name]}, the contract says {column.dtype}"
        for name, column in columns.items()
        if not _fits(found[name], column)
    ]
    if wrong:
        raise ContractError(f"The types of {what} are not those of its contract: {'; '.join(wrong)}.")


def _fits(dtype: pl.DataType, column: dy.Column) -> bool:
    if isinstance(dtype, pl.Null):
        return column.nullable
    if isinstance(dtype, pl.Categorical | pl.Enum) and isinstance(column.dtype, pl.String):
        return True
    return column.validate_dtype(dtype)


def _check_nulls(frame: pl.DataFrame, columns: Mapping[str, dy.Column], what: str) -> None:
    required = [name for name, column in columns.items() if not column.nullable]
    nulls = {name: n for name in required if (n := frame[name].null_count())}
    if nulls:
        raise ContractError(
            f"{what} has nulls in columns that may have none (rows by column): {nulls}. "
            "Put such rows into quarantine, or make the columns nullable in tasks/datasets.py."
        )


def _check_key(frame: pl.DataFrame, key: Sequence[str], what: str) -> None:
    # Sorted rows need only be compared with their neighbour: a tenth of what `is_duplicated` costs on strings.
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in key)
    twice = frame.lazy().select(key).filter(same).collect()
    if twice.height:
        raise ContractError(
            f"{what} has keys that occur more than once: {twice.height} rows too many, the first is "
            f"{twice.row(0, named=True)}. Remove duplicates before loading."
        )
