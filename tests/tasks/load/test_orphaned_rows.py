"""Conformance: rows that the lake has no longer leave the table, also when the snapshot that they came from is gone."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tasks.datasets import UNDIVIDED, Dataset, shard_of
from tasks.lake import Change, Lake, SnapshotRef, open_lake
from tasks.lake.retention.housekeeping import housekeep
from tasks.lake.store import Store
from tasks.load.changes import changes
from tasks.load.load_result import LoadResult
from tasks.load.warehouse import Warehouse
from tests.tasks.lake.retention.tidying import later
from tests.tasks.warehouses.examples import Quotes, table

SHARDS = 3
QUOTES = Dataset("quotes", "published", Quotes, sort=("day",), period="day", shards=SHARDS, table="quotes")
WHOLE = Dataset("quotes", "published", Quotes, sort=("day",), table="quotes")
ROWS = [(f"C{n}", date(year, 12, 31), 1.0, None) for n in range(12) for year in (2022, 2023, 2024)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path / "lake"))


def frame(*rows: tuple[str, date, float, int | None]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=QUOTES.polars_schema, orient="row").sort(QUOTES.key)


def publish(lake: Lake, rows: pl.DataFrame, partition: str, dataset: Dataset = QUOTES) -> SnapshotRef | None:
    return lake.update(dataset, partition, lambda _: Change([rows], ()), "test")


def publish_all(lake: Lake, rows: pl.DataFrame) -> None:
    for year in (2022, 2023, 2024):
        for shard in range(SHARDS):
            mine = [shard_of(code, SHARDS) == shard for code in rows["code"]]
            publish(lake, rows.filter(pl.Series(mine) & (rows["day"].dt.year() == year)), QUOTES.partition(year, shard))


def load(lake: Lake, warehouse: Warehouse, dataset: Dataset = QUOTES) -> LoadResult:
    return warehouse.load(dataset, changes(lake, dataset, warehouse.loaded(dataset)), run="r")


def tidy(lake: Lake, dataset: Dataset = QUOTES) -> int:
    return housekeep(lake, timedelta(hours=1), later(), [dataset])[0].removed


def test_what_was_deleted_goes_and_nothing_else(lake: Lake, warehouse: Warehouse) -> None:
    publish_all(lake, frame(*ROWS))
    load(lake, warehouse)
    gone = ("C5", date(2023, 12, 31))
    left = [row for row in ROWS if row[:2] != gone]
    publish(
        lake,
        frame(*(r for r in left if r[1].year == 2023 and shard_of(r[0], SHARDS) == shard_of("C5", SHARDS))),
        QUOTES.partition(2023, shard_of("C5", SHARDS)),
    )
    assert tidy(lake) == 1

    assert load(lake, warehouse).deleted == 1

    assert_frame_equal(table(warehouse, QUOTES), frame(*left))
    assert load(lake, warehouse) == LoadResult()


def test_a_partition_that_became_empty_empties_the_table_of_its_rows(lake: Lake, warehouse: Warehouse) -> None:
    publish_all(lake, frame(*ROWS))
    load(lake, warehouse)
    publish(lake, frame(), QUOTES.partition(2024, 1))
    tidy(lake)

    load(lake, warehouse)

    left = [row for row in ROWS if row[1].year != 2024 or shard_of(row[0], SHARDS) != 1]
    assert len(left) < len(ROWS)
    assert_frame_equal(table(warehouse, QUOTES), frame(*left))


def test_a_dataset_in_one_part(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, frame(*ROWS), UNDIVIDED, WHOLE)
    load(lake, warehouse, WHOLE)
    publish(lake, frame(*ROWS[:5]), UNDIVIDED, WHOLE)
    tidy(lake, WHOLE)

    assert load(lake, warehouse, WHOLE).deleted == len(ROWS) - 5
    assert_frame_equal(table(warehouse, WHOLE), frame(*ROWS[:5]))


def test_of_a_part_whose_name_tells_nothing_nothing_is_guessed(lake: Lake, warehouse: Warehouse) -> None:
    for partition, rows in (("mine", ROWS[:5]), ("yours", ROWS[5:])):
        publish(lake, frame(*rows), partition)
    load(lake, warehouse)
    publish(lake, frame(*ROWS[:4]), "mine")
    tidy(lake)

    assert load(lake, warehouse).deleted == 0
    assert table(warehouse, QUOTES).height == len(ROWS)


def test_housekeeping_in_the_middle_of_a_load_leaves_what_it_reads(lake: Lake, warehouse: Warehouse) -> None:
    publish_all(lake, frame(*ROWS))
    load(lake, warehouse)
    publish_all(lake, frame(*ROWS[1:]))
    parts = changes(lake, QUOTES, warehouse.loaded(QUOTES))
    first = next(parts)
    publish_all(lake, frame(*ROWS[2:]))
    removed = tidy(lake)
    assert removed == len(lake.partitions(QUOTES))  # the bases; what the load reads, and has not reached, stays

    warehouse.load(QUOTES, (part for some in ([first], parts) for part in some), run="r")

    assert_frame_equal(table(warehouse, QUOTES), frame(*ROWS[1:]))
    assert list(lake.store.entries("published/quotes/_readers/")) == []


class Tidied:
    """A store in which housekeeping comes just after the files of a snapshot were found for the first time."""

    def __init__(self, store: Store, snapshot: str) -> None:
        self._store, self._snapshot = store, snapshot

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def entries(self, prefix: str) -> object:
        found = list(self._store.entries(prefix))
        if prefix.endswith(f"/{self._snapshot}/"):
            self._snapshot = "no other"
            tidy(Lake(self._store))
        return iter(found)


def test_a_base_that_goes_while_it_is_looked_for_is_gone(lake: Lake, warehouse: Warehouse) -> None:
    partition = QUOTES.partition(2024, shard_of("C0", SHARDS))
    before = publish(lake, frame(ROWS[2], ("C0", date(2024, 6, 30), 2.0, 2)), partition)
    assert before
    load(lake, warehouse)
    publish(lake, frame(ROWS[2]), partition)
    store: Store = Tidied(lake.store, before.snapshot)  # type: ignore[assignment]  # it is one by what it passes on

    load(Lake(store), warehouse)

    assert_frame_equal(table(warehouse, QUOTES), frame(ROWS[2]))


@given(st.integers(1, 9999), st.integers(0, 99))
def test_the_place_of_a_partition_is_what_named_it(year: int, shard: int) -> None:
    assert QUOTES.place(QUOTES.partition(year, shard)) == (year, shard)
