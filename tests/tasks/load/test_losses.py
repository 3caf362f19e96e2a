"""Conformance: what a load may not delete without a word, and what it says then."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.datasets import Dataset
from tasks.lake import Change, Lake, open_lake
from tasks.load.changes import changes
from tasks.load.load_result import LoadResult
from tasks.load.losses import LossError
from tasks.load.warehouse import Warehouse
from tests.tasks.warehouses.examples import Quotes, table

QUOTES = Dataset("quotes", "published", Quotes, sort=("day",), period="day", table="quotes")
PARTITION = QUOTES.partition(2024)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path / "lake"))


def days(count: int) -> pl.DataFrame:
    first = date(2024, 1, 1)
    rows = [("A", first + timedelta(days=n), 1.0, n) for n in range(count)]
    return pl.DataFrame(rows, schema=QUOTES.polars_schema, orient="row")


def publish(lake: Lake, rows: pl.DataFrame) -> None:
    assert lake.update(QUOTES, PARTITION, lambda _: Change([rows], ()), "test")


def load(lake: Lake, warehouse: Warehouse, *, lake_is_right: bool = False) -> LoadResult:
    parts = changes(lake, QUOTES, warehouse.loaded(QUOTES))
    return warehouse.load(QUOTES, parts, run="r", largest_deletion=0.5, lake_is_right=lake_is_right)


def test_more_than_a_share_of_a_partition_goes_only_with_a_word(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, days(300))
    load(lake, warehouse)
    publish(lake, days(160))
    assert load(lake, warehouse).deleted == 140  # less than half
    publish(lake, days(59))

    with pytest.raises(LossError, match=r"More than 50% .*year=2024/shard=0: 101 rows of 2024-02-29 to 2024-06-08 "):
        load(lake, warehouse)

    assert table(warehouse, QUOTES).height == 160
    assert load(lake, warehouse, lake_is_right=True).deleted == 101
    assert_frame_equal(table(warehouse, QUOTES), days(59))


def test_a_few_rows_go_whatever_their_share(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, days(100))
    load(lake, warehouse)
    publish(lake, days(1))
    assert load(lake, warehouse).deleted == 99


def test_a_pointer_that_does_not_tell_what_it_came_after_is_taken_by_the_order_of_ids(lake: Lake) -> None:
    publish(lake, days(1))
    first = lake.partitions(QUOTES)[0]
    old = first.model_copy(update={"ancestors": (), "from_the_first": False})
    assert old.continues("20200101T000000000000Z-00000000")
    assert not old.continues("99990101T000000000000Z-00000000")
    assert not first.continues("20200101T000000000000Z-00000000")
    for count in range(2, 120):
        publish(lake, days(count))
    last = lake.partitions(QUOTES)[0]
    assert len(last.ancestors) == 100
    assert last.continues(first.snapshot)
