"""The catalogue makes sense as a whole, and the shard of a code is the same everywhere and for ever."""

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.datasets import CATALOGUE, DATA_QUALITY, PRICES, SHARDS, Dataset, shard_of


def named(dataset: Dataset) -> str:
    return f"{dataset.state}/{dataset.name}"


def test_no_two_datasets_share_a_place_or_a_table() -> None:
    tables = [d.table for d in CATALOGUE if d.table]

    assert len({named(d) for d in CATALOGUE}) == len(CATALOGUE)
    assert len(set(tables)) == len(tables)


@pytest.mark.parametrize("dataset", CATALOGUE, ids=named)
def test_a_dataset_names_only_columns_that_it_has(dataset: Dataset) -> None:
    columns = set(dataset.polars_schema)

    assert {*dataset.sort, *dataset.key, *dataset.only_in_lake} <= columns
    assert dataset.period is None or dataset.polars_schema[dataset.period] == pl.Date
    assert 1 <= dataset.shards <= 256


@pytest.mark.parametrize("dataset", [d for d in CATALOGUE if d.table], ids=named)
def test_what_becomes_a_table_has_a_key_of_bounded_length(dataset: Dataset) -> None:
    columns = dataset.table_columns

    assert dataset.key
    assert set(dataset.key) <= set(columns)
    assert not set(dataset.only_in_lake) & set(columns)
    # SQL Server cannot make an index of text without a length.
    assert all(getattr(columns[k], "max_length", 1) for k in dataset.key)


def test_partitions_are_named_by_period_and_shard() -> None:
    assert PRICES.partition(2024, 3) == "year=2024/shard=3"
    assert DATA_QUALITY.partition(2024) == "year=2024/shard=0"


@pytest.mark.parametrize(
    ("code", "shard"), [("123456789", 0xCBF43926 % 8), ("AAPL.US", 1), ("MSFT.US", 7), ("ÅÄÖ.ST", 6)]
)
def test_the_shard_of_a_code_never_changes(code: str, shard: int) -> None:
    """Another answer would leave a code in two partitions. The first figure is the published check value of CRC-32."""
    assert shard_of(code, 8) == shard


@given(st.text(max_size=20), st.integers(1, 256))
def test_every_code_has_a_shard(code: str, shards: int) -> None:
    assert 0 <= shard_of(code, shards) < shards


def test_shards_are_of_about_the_same_size() -> None:
    counts = Counter(
        shard_of(f"{a}{b}{c}{d}.US", SHARDS)
        for a in "ABCDEFGHIJ"
        for b in "KLMNOPQRST"
        for c in "UVWXYZ"
        for d in "ABCDE"
    )

    assert len(counts) == SHARDS
    assert max(counts.values()) < 1.3 * min(counts.values())
