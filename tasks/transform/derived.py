"""What is derived follows its definition: it names what it was made by, and is made anew when that is another."""

import ast
import hashlib
import inspect
from types import ModuleType

import polars as pl

from tasks.datasets import Dataset
from tasks.errors import ContractError
from tasks.lake import Lake, SnapshotRef


def definition(dataset: Dataset, formulas: ModuleType) -> str:
    """What stands first in the inputs of derived snapshots: it changes with the contract's columns and types, and with
    the code of the module that has the formulas. Comments and layout do not count."""
    code = ast.unparse(ast.parse(inspect.getsource(formulas)))
    text = f"{list(dataset.polars_schema.items())!r}\n{code}"
    return f"definition={hashlib.sha256(text.encode()).hexdigest()[:16]}"


def is_stored(lake: Lake, dataset: Dataset, current: SnapshotRef, rows: pl.DataFrame) -> bool:
    """Whether a snapshot has just these rows: not one that another contract made, and that this one cannot read."""
    try:
        return lake.read(dataset, [current]).collect().equals(rows)
    except ContractError:
        return False
