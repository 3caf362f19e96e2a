"""What a store cannot keep is refused by name before anything is sent."""

from collections.abc import Sequence

import dataframely as dy
import polars as pl
import polars.selectors as cs

from tasks.errors import ConfigurationError, ContractError


def refuse(rows: pl.DataFrame, columns: cs.Selector, wrong: pl.Expr, why: str) -> None:
    """Raises ContractError with how many rows are `wrong`, an expression on `pl.all()`; `why` says what they are."""
    counts = rows.select(columns).select(wrong.sum())
    bad = {name: n for name, n in (counts.row(0, named=True) if counts.width else {}).items() if n}
    if bad:
        raise ContractError(f"There are values (rows by column: {bad}) that are {why}")


def refuse_zero_bytes(rows: pl.DataFrame, store: str) -> None:
    refuse(
        rows,
        cs.string() | cs.categorical() | cs.enum(),
        pl.all().cast(pl.String).str.contains("\0", literal=True),
        f"text with a zero byte, which {store} does not keep. Remove it.",
    )


def refuse_finer_than_microseconds(rows: pl.DataFrame, store: str) -> None:
    refuse(
        rows,
        cs.datetime("ns") | cs.time(),
        pl.all().to_physical() % 1_000 != 0,
        f"times finer than a microsecond, which {store} would round. Round them.",
    )


def no_type(store: str, column: dy.Column) -> ContractError:
    return ContractError(
        f"{store} has no type for column {column.name} ({column.dtype}). Leave it in the lake (only_in_lake in "
        "tasks/datasets.py), or turn it into text or numbers."
    )


def refuse_same_names(names: Sequence[str]) -> None:
    """Raises ConfigurationError for an answer with columns that cannot be told apart."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(
            f"The answer to the query has several columns of the same name: {', '.join(twice)}. Name them apart, "
            "with AS."
        )
