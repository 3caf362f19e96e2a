"""The columns of rows and of files, and those of the dataset: contracts change, and old files stay.

Both ways: new code reads what old code wrote, and old code what new code wrote beside it."""

from collections.abc import Iterable, Iterator
from functools import partial

import polars as pl

from tasks.datasets import Dataset
from tasks.errors import ContractError

_TEXTS = (pl.String, pl.Enum, pl.Categorical)
_WHAT_TO_DO = (
    "Run the code that wrote it, or give the column that changed another name; see flows/README.md, "
    '"Changing a contract".'
)


def conformed(rows: pl.LazyFrame, stored: pl.Schema, dataset: Dataset, file: str) -> pl.LazyFrame:
    """Rows of files with the columns `stored`, in those of the dataset. `file` is one of them, for messages.

    Columns that the dataset does not know are left out, nullable ones that the files lack are null, and numbers, days
    and texts are cast. Raises ContractError for other types and for a column that may not be null, and when rows are
    collected of which a cast would change a value."""
    if refused := [told for name in dataset.polars_schema if (told := _refused(name, stored, dataset))]:
        raise ContractError(f"{file} cannot be read as {_home(dataset)}: {', '.join(refused)}. {_WHAT_TO_DO}")
    return rows.select(
        pl.lit(None, dtype).alias(name)
        if name not in stored
        else pl.col(name)
        if stored[name] == dtype
        else pl.col(name).map_batches(
            partial(_cast, wanted=dtype, what=f"column {name} of {file}"), return_dtype=dtype, is_elementwise=True
        )
        for name, dtype in dataset.polars_schema.items()
    )


def checked(dataset: Dataset, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The frames. Raises ContractError for one whose columns are not the dataset's."""
    wanted = dataset.polars_schema
    for frame in frames:
        if frame.schema != wanted:
            raise ContractError(
                f"Rows for {_home(dataset)} do not have its columns: {_difference(frame.schema, wanted)}. Change the "
                "rows, or the dataset in tasks/datasets.py."
            )
        yield frame


def unknown(stored: pl.LazyFrame, known: pl.LazyFrame, dataset: Dataset) -> pl.DataFrame:
    """The key of a snapshot's rows, and the columns that the dataset does not know: from the snapshot as it is stored,
    and as it is read."""
    names = [name for name in stored.collect_schema() if name not in dataset.polars_schema]
    return known.select(dataset.key).collect().hstack(stored.select(names).collect().get_columns())


def widened(frames: Iterable[pl.DataFrame], more: pl.DataFrame, key: list[str]) -> Iterator[pl.DataFrame]:
    """The frames with the columns of `more` behind theirs, by the key: null in rows that it does not have."""
    for frame in frames:
        yield frame.join(more, on=key, how="left", validate="m:1", maintain_order="left")


def _refused(name: str, stored: pl.Schema, dataset: Dataset) -> str | None:
    """Why a column of the dataset cannot be had from such files."""
    wanted = dataset.polars_schema[name]
    if name not in stored:
        return None if dataset.schema.columns()[name].nullable else f"{name} is not in it, and may not be null"
    found = stored[name]
    if found == wanted or _compatible(found, wanted):
        return None
    return f"column {name} is {found} in it, and {wanted} in the contract"


def _compatible(found: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether a value of one type may be one of the other: which ones are is seen when they are cast."""
    if isinstance(found, pl.Datetime) and isinstance(wanted, pl.Datetime):
        return found.time_zone == wanted.time_zone
    if {type(found), type(wanted)} == {pl.Date, pl.Datetime}:
        return {getattr(dtype, "time_zone", None) for dtype in (found, wanted)} <= {None, "UTC"}
    if all(dtype.is_integer() or dtype.is_float() for dtype in (found, wanted)):
        return True
    return any(isinstance(found, kind) and isinstance(wanted, kind) for kind in (_TEXTS, pl.Decimal))


def _cast(values: pl.Series, wanted: pl.DataType, what: str) -> pl.Series:
    """The values in another type, from which they can be cast back unchanged. Raises ContractError where not."""
    cast = values.cast(wanted, strict=False)
    lost = values.filter(cast.cast(values.dtype, strict=False).ne_missing(values))
    if lost.is_empty():
        return cast
    raise ContractError(f"{what} has {lost[0]} in it, which {wanted} cannot hold as it is. {_WHAT_TO_DO}")


def _difference(found: pl.Schema, wanted: pl.Schema) -> str:
    told = [f"{name} is missing" for name in wanted if name not in found]
    told += [f"{name} is not one of them" for name in found if name not in wanted]
    told += [f"{n} is {found[n]}, not {dtype}" for n, dtype in wanted.items() if n in found and found[n] != dtype]
    return ", ".join(told) or f"their order is {', '.join(found)}"


def _home(dataset: Dataset) -> str:
    return f"{dataset.state}/{dataset.name}"
