"""Rows that break a contract: told from the others, and kept with their reasons."""

import copy
import functools
from collections.abc import Mapping, Sequence

import dataframely as dy
import polars as pl

from tasks.datasets import Dataset
from tasks.errors import ContractError
from tasks.lake import Change, Lake, SnapshotRef
from tasks.transform.merge import Figures, latest, merge

__all__ = ["Figures", "curate_rows", "judged", "put_in_quarantine", "reasons"]


def curate_rows(
    lake: Lake, dataset: Dataset, rows: pl.DataFrame, batch: str, run: str, newest: str = "fetched_at"
) -> Figures:
    """Merges rows into a dataset; those that break its contract go to `dataset.quarantine` with their reasons.

    `batch` names what these rows are, such as their window: to do the same batch again changes nothing, and to do it
    with other rows replaces what it has in quarantine. For the rest see `judged` and `merge`."""
    good, bad = judged(rows, dataset)
    put_in_quarantine(lake, dataset.quarantine, batch, bad, run)
    distinct = latest(good, dataset, newest)
    counts = Figures(received=rows.height, quarantined=bad.height, duplicates=good.height - distinct.height)
    return (counts + merge(lake, dataset, distinct, run, newest)).balanced()


def judged(rows: pl.DataFrame, dataset: Dataset) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that meet the contract, typed; the others as texts, in the columns of `dataset.quarantine`.

    That keys are distinct is not asked. Text becomes a date where the contract has one, if it is ISO 8601. Raises
    ContractError for a column that is missing."""
    if missing := [name for name in dataset.polars_schema if name not in rows.columns]:
        raise ContractError(
            f"Rows for {dataset.name} have no {', '.join(missing)}, but {', '.join(rows.columns)}. Name them as its "
            "contract does."
        )
    received = rows.select(dataset.polars_schema.names()).with_row_index(_ROW)
    contract = _of_a_row(dataset.schema)
    good, failure = contract.filter(_typed(received, dataset.polars_schema), cast=True)
    why = reasons(failure, contract, dataset.polars_schema.names(), _ROW)
    bad = received.join(why, on=_ROW, maintain_order="left").drop(_ROW).cast(pl.String)
    return good.select(dataset.polars_schema.names()), bad


def reasons(failure: dy.FailureInfo, contract: type[dy.Schema], order: Sequence[str], row: str) -> pl.DataFrame:
    """The column `row` of each row that failed, and its `reasons`, in the order of these columns."""
    details = failure.details()
    columns = contract.columns()
    place = {column: place for place, column in enumerate(order)}
    rules = [rule for rule in details.columns if rule not in columns]
    rules.sort(key=lambda rule: place.get(rule.partition("|")[0], len(place)))
    broken = [pl.when(pl.col(rule) == "invalid").then(pl.lit(_in_words(rule, columns))) for rule in rules]
    why = pl.concat_str(broken, separator="; ", ignore_nulls=True) if broken else pl.lit("")
    return details.select(row, reasons=why)


def put_in_quarantine(
    lake: Lake, dataset: Dataset, partition: str, rows: pl.DataFrame, run: str, inputs: Sequence[str] = ()
) -> None:
    """Makes these rows all that the partition has. Where they follow from the same inputs as before, they are."""

    def change(current: SnapshotRef | None) -> Change | None:
        if current is None:
            return None if rows.is_empty() else Change([rows], tuple(inputs))
        same_inputs = inputs and current.inputs == tuple(inputs)
        known = same_inputs or (not inputs and lake.read(dataset, [current]).collect().equals(rows))
        return None if known else Change([rows], tuple(inputs))

    lake.update(dataset, partition, change, run)


_ROW = "row number"  # the column that numbers the rows which are judged

# The rules of dataframely, as one would say them of a column; {} is the number in the rule.
_BROKEN = {
    "nullability": "is missing or cannot be read",
    "dtype": "cannot be read",
    "min_exclusive": "is not above {}",
    "min": "is below {}",
    "max_exclusive": "is not below {}",
    "max": "is above {}",
    "nan": "is not a number",
    "inf": "is infinite",
    "min_length": "is too short",
    "max_length": "is too long",
}


def _in_words(rule: str, columns: Mapping[str, dy.Column]) -> str:
    column, _, kind = rule.rpartition("|")
    if not column:
        return rule.replace("_", " ")
    return f"{column} {_BROKEN.get(kind, kind).format(getattr(columns[column], kind, None) or 'zero')}"


@functools.cache
def _of_a_row(contract: type[dy.Schema]) -> type[dy.Schema]:
    """The contract with the number of the row, and without a key, which a row alone cannot break."""
    columns: dict[str, dy.Column] = {_ROW: dy.UInt32()}
    for name, column in contract.columns().items():
        columns[name] = copy.copy(column)
        columns[name].primary_key = False
    return type(contract.__name__, (contract,), columns)


def _typed(rows: pl.DataFrame, wanted: pl.Schema) -> pl.DataFrame:
    """Texts as dates and times where these are wanted; polars casts all else."""
    texts = [name for name, dtype in wanted.items() if rows.schema[name] == pl.String and dtype.is_temporal()]
    return rows.with_columns(
        pl.col(n).str.to_date(strict=False) if wanted[n] == pl.Date else pl.col(n).str.to_datetime(strict=False)
        for n in texts
    )
