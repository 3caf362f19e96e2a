"""Rows that break a contract: told from the others, and kept with their reasons."""

import copy
import functools
from collections.abc import Mapping, Sequence

import dataframely as dy
import polars as pl

from tasks.conversion import Reading, as_text, converted, refusal
from tasks.datasets import Dataset
from tasks.errors import ContractError
from tasks.lake import Change, Lake, SnapshotRef
from tasks.transform.merge import Figures, latest, merge

__all__ = ["Figures", "curate_rows", "put_in_quarantine", "reasons", "split_rows"]


def curate_rows(
    lake: Lake, dataset: Dataset, rows: pl.DataFrame, batch: str, run: str, newest: str = "fetched_at"
) -> Figures:
    """Merges rows into a dataset; those that break its contract go to `dataset.quarantine` with their reasons.

    `batch` names what these rows are, such as their window: to do the same batch again changes nothing, and to do it
    with other rows replaces what it has in quarantine. For the rest see `split_rows` and `merge`. Raises ContractError
    where a larger share goes to quarantine than `dataset.limits` let: then none is merged."""
    good, bad = split_rows(rows, dataset)
    put_in_quarantine(lake, dataset.quarantine, batch, bad, run)
    if dataset.limits.judge(bad.height, rows.height) == "failure":
        raise ContractError(
            f"{share_in_quarantine(dataset, bad.height, rows.height)}, which is beyond its limit of "
            f"{dataset.limits.failure:.0%}: {_most_frequent(bad)}. None was merged. Correct source or contract, and "
            "run again; if so many are wrong for good, set `limits` of the dataset."
        )
    distinct = latest(good, dataset, newest)
    counts = Figures(received=rows.height, quarantined=bad.height, duplicates=good.height - distinct.height)
    return (counts + merge(lake, dataset, distinct, run, newest)).balanced()


def share_in_quarantine(dataset: Dataset, quarantined: int, received: int) -> str:
    """In words."""
    return f"{quarantined} of {received} rows for {dataset.name} are in quarantine/{dataset.name}"


def split_rows(rows: pl.DataFrame, dataset: Dataset) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that meet the contract, typed; the others as texts, in the columns of `dataset.quarantine`.

    That keys are distinct is not asked. A value is in the type of the contract, and wholly, or its row is among the
    others: see `tasks.conversion`, also for what the contract can say of dates and times. Raises ContractError for a
    column that is missing, ConfigurationError for metadata that cannot be read by."""
    if missing := [name for name in dataset.polars_schema if name not in rows.columns]:
        raise ContractError(
            f"Rows for {dataset.name} have no {', '.join(missing)}, but {', '.join(rows.columns)}. Name them as its "
            "contract does."
        )
    received = rows.select(dataset.polars_schema.names())
    contract = _of_a_row(dataset.schema)
    good, failure = contract.filter(_typed(received, dataset))
    why = reasons(failure, contract, dataset.polars_schema.names(), _ROW)
    bad = received.with_row_index(_ROW)[why.get_column(_ROW)].drop(_ROW)
    texts = bad.select(as_text(bad.get_column(name)) for name in bad.columns)
    return good.select(dataset.polars_schema.names()), texts.with_columns(why.get_column("reasons"))


def reasons(failure: dy.FailureInfo, contract: type[dy.Schema], order: Sequence[str], row: str) -> pl.DataFrame:
    """The column `row` of each row that failed, and its `reasons`, in the order of these columns."""
    details = failure.details()
    columns = contract.columns()
    place = {column: place for place, column in enumerate(order)}
    rules = [rule for rule in details.columns if rule not in columns]
    rules.sort(key=lambda rule: place.get(rule.partition("|")[0], len(place)))
    broken = [pl.when(pl.col(rule) == "invalid").then(_in_words(rule, columns)) for rule in rules]
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


def _most_frequent(bad: pl.DataFrame) -> str:
    reason, count = bad["reasons"].value_counts().sort("count", "reasons", descending=[True, False]).row(0)
    return f"{count} of them because {reason}"


_ROW = "row number"  # the column that numbers the rows which are judged
_UNREAD = "unread cells"  # the column that says what of a row is missing or could not be read; null if all of it was

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


def _in_words(rule: str, columns: Mapping[str, dy.Column]) -> pl.Expr:
    column, _, kind = rule.rpartition("|")
    if column == _UNREAD:
        return pl.col(_UNREAD)
    if not column:
        return pl.lit(rule.replace("_", " "))
    return pl.lit(f"{column} {_BROKEN.get(kind, kind).format(getattr(columns[column], kind, None) or 'zero')}")


@functools.cache
def _of_a_row(contract: type[dy.Schema]) -> type[dy.Schema]:
    """The contract with the number of the row and what of it is unread, and without a key, which a row cannot break."""
    columns: dict[str, dy.Column] = {
        _ROW: dy.UInt32(),
        _UNREAD: dy.String(nullable=True, check=lambda unread: unread.is_null()),
    }
    for name, column in contract.columns().items():
        columns[name] = copy.copy(column)
        columns[name].primary_key = False
        columns[name].nullable = True
    return type(contract.__name__, (contract,), columns)


def _typed(rows: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The rows in the types of the contract, numbered, with what of each is unread."""
    typed, unread = [], []
    for name, column in dataset.schema.columns().items():
        found, reading = rows.get_column(name), Reading.of(name, column)
        value = converted(found, column.dtype, reading)
        lost = value.is_null() & found.is_not_null()
        if lost.any():
            unread.append(pl.when(lost).then(name + " " + refusal(found, column.dtype, reading)))
        if not column.nullable and found.null_count():
            unread.append(pl.when(found.is_null()).then(pl.lit(f"{name} is missing")))
        typed.append(value.alias(name))
    why = pl.concat_str(unread, separator="; ", ignore_nulls=True).replace("", None) if unread else pl.lit(None)
    return pl.DataFrame(typed).with_columns(why.cast(pl.String).alias(_UNREAD)).with_row_index(_ROW)
