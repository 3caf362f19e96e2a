"""Whatever comes, and whatever the contract wants: a row is stored with what it says, or is in quarantine."""

from typing import Any

import dataframely as dy
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tasks.datasets import Dataset
from tasks.transform.quarantine import split_rows
from tests.tasks.conversion.pairs import COMES, WANTED, said


def wanting(column: dy.Column) -> Dataset:
    contract = type("Wanted", (dy.Schema,), {"n": dy.Int64(), "cell": column})
    return Dataset("wanted", "curated", contract, sort=("n",))


def check(values: list[Any], dtype: pl.DataType, column: dy.Column) -> None:
    rows = pl.DataFrame({"n": range(len(values)), "cell": pl.Series(values, dtype=dtype)})
    good, bad = split_rows(rows, wanting(column))
    assert good.schema["cell"] == column.dtype
    assert sorted([*good["n"], *bad["n"].cast(pl.Int64)]) == list(range(len(values)))
    assert bad["reasons"].str.starts_with("cell is no ").all()
    assert not bad["cell"].is_null().any()
    for n, stored in good.select("n", "cell").rows():
        came = rows["cell"][n]
        came = came.to_list() if isinstance(came, pl.Series) else came
        if came is None:
            assert stored is None
        else:
            read = column.metadata or {}
            assert said(came, dtype, read) & said(stored, column.dtype, {}), (came, stored)


@pytest.mark.parametrize("column", WANTED, ids=lambda c: f"{c.dtype} {c.metadata or ''}")
@settings(
    max_examples=2,
    phases=[Phase.generate],
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(st.data())
def test_what_comes_survives_or_is_in_quarantine(column, data):
    for dtype, values in COMES:
        check(data.draw(st.lists(st.one_of(st.none(), values), min_size=5, max_size=9)), dtype, column)
