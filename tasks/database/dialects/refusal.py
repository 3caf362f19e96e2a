"""What a store cannot keep is refused by name before anything is sent."""

from collections.abc import Mapping, Sequence

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


def refuse_types(wrong: Mapping[str, str]) -> None:
    """Raises ConfigurationError for columns, by name with their types, that a driver does not tell as they are."""
    if wrong:
        name = next(iter(wrong))
        raise ConfigurationError(
            "The answer to the query has columns of types that cannot be read as they are: "
            f"{', '.join(f'{column} ({kind})' for column, kind in wrong.items())}. Make them text or numbers in the "
            f"query, such as CAST({name} AS VARCHAR(400)), CAST({name} AS NUMERIC), to_json({name})::text for an array "
            f"or a row, EXTRACT(EPOCH FROM {name}) for an interval."
        )


def no_time(name: str, kind: str) -> ContractError:
    return ContractError(
        f"The column {name} of the answer has values that are no {kind} of the years 1 to 9999, or of a day of 24 "
        f"hours, such as infinity or 24:00. Make them null in the query, with NULLIF({name}, 'infinity'), or text, "
        f"with CAST({name} AS VARCHAR(40))."
    )


def no_text(name: str, why: object) -> ContractError:
    return ContractError(
        f"The column {name} of the answer has values that are not what its type says ({why}). Text that is not UTF-8 "
        f"can be read as bytes, with CAST({name} AS BLOB)."
    )
