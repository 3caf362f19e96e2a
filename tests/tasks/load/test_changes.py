"""What changed between the snapshot that the warehouse has and the current one, in a real lake."""

from pathlib import Path
from tempfile import TemporaryDirectory

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tasks.datasets import Dataset
from tasks.lake import Change, Lake, SnapshotRef, open_lake
from tasks.load.changes import changes
from tasks.load.request import NOTHING, Part
from tests.tasks.warehouses.examples import QUOTES, Quotes, QuotesWithNote, dataset, keys, quotes

# Its `volume` is not in the table.
IN_LAKE = Dataset("quotes", "published", Quotes, sort=("day",), period="day", table="quotes", only_in_lake=("volume",))
NOTED = dataset(QuotesWithNote)


IN_TEXTS = dataset(type("QuotesInTexts", (Quotes,), {"volume": dy.String(nullable=True)}))
HAD = quotes(("A", 1, 1.0, 10), ("A", 2, 2.0, None), ("B", 1, 3.0, 30))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path))


def publish(lake: Lake, rows: pl.DataFrame, partition: str = "p") -> SnapshotRef:
    written = lake.update(QUOTES, partition, lambda _: Change([rows], ()), "test")
    assert written is not None
    return written


def parts(lake: Lake, *loaded: SnapshotRef, of: Dataset = QUOTES) -> list[Part]:
    """The changes since the warehouse loaded these snapshots."""
    return list(changes(lake, of, {snapshot.partition: snapshot.snapshot for snapshot in loaded}))


def rows_of(frame: pl.DataFrame | pl.LazyFrame) -> list[tuple[object, ...]]:
    return frame.lazy().collect().rows()


def test_only_what_changed(lake):
    before = publish(lake, HAD)
    now = publish(lake, quotes(("A", 1, 1.0, 10), ("A", 2, 2.5, None), ("B", 2, 4.0, 1)))
    (part,) = parts(lake, before)
    assert (part.partition, part.snapshot, part.base) == ("p", now.snapshot, before.snapshot)
    assert rows_of(part.changed) == quotes(("A", 2, 2.5, None), ("B", 2, 4.0, 1)).rows()
    assert_frame_equal(part.deleted, keys(("B", 1)))


@pytest.mark.parametrize(("was", "is_now"), [(None, 5), (5, None)])
def test_a_null_that_comes_or_goes_is_a_change(lake, was, is_now):
    before = publish(lake, quotes(("A", 1, 1.0, was), ("B", 1, 1.0, None)))
    publish(lake, quotes(("A", 1, 1.0, is_now), ("B", 1, 1.0, None)))
    (part,) = parts(lake, before)
    assert rows_of(part.changed) == quotes(("A", 1, 1.0, is_now)).rows()
    assert part.deleted.is_empty()


def test_what_the_warehouse_has_is_no_part(lake):
    loaded, other = publish(lake, HAD), publish(lake, HAD, "q")
    assert [part.partition for part in parts(lake, loaded)] == ["q"]
    assert parts(lake, loaded, other) == []


def test_a_partition_that_was_never_loaded_is_all_rows(lake):
    publish(lake, HAD)
    (part,) = parts(lake)
    assert part.base == NOTHING
    assert_frame_equal(part.changed.lazy().collect(), HAD)
    assert part.deleted.is_empty()
    assert part.deleted.columns == QUOTES.key


def test_a_missing_older_snapshot_gives_all_rows(lake):
    before = publish(lake, HAD)
    publish(lake, quotes(("A", 1, 1.0, 10), ("B", 1, 3.5, 30)))
    for path in before.files:
        lake.store.delete(path)
    (part,) = parts(lake, before)
    assert part.base == before.snapshot
    assert rows_of(part.changed) == quotes(("A", 1, 1.0, 10), ("B", 1, 3.5, 30)).rows()
    assert part.deleted.is_empty()


def test_a_new_column_changes_the_rows_that_have_it(lake):
    before = publish(lake, HAD)
    with_note = HAD.with_columns(note=pl.Series(["new", None, None], dtype=pl.String))
    lake.update(NOTED, "p", lambda _: Change([with_note], ()), "test")
    (part,) = parts(lake, before, of=NOTED)
    assert rows_of(part.changed) == with_note.head(1).rows()
    assert part.deleted.is_empty()


def test_an_older_snapshot_that_the_contract_cannot_read_gives_all_rows(lake):
    texts = HAD.with_columns(pl.col("volume").cast(pl.String))
    before = lake.update(IN_TEXTS, "p", lambda _: Change([texts], ()), "test")
    assert before is not None
    publish(lake, HAD)
    (part,) = parts(lake, before)
    assert_frame_equal(part.changed.lazy().collect(), HAD)
    assert (part.whole, part.base) == (True, before.snapshot)


def test_columns_that_are_only_in_the_lake_do_not_count(lake):
    before = publish(lake, HAD)
    publish(lake, HAD.with_columns(volume=pl.lit(99, pl.Int64)))
    (part,) = parts(lake, before, of=IN_LAKE)
    assert rows_of(part.changed) == []
    assert part.changed.lazy().collect_schema().names() == ["code", "day", "close"]


def test_an_empty_snapshot_deletes_what_was_there(lake):
    before = publish(lake, HAD)
    publish(lake, HAD.clear())
    (part,) = parts(lake, before)
    assert rows_of(part.changed) == []
    assert sorted(part.deleted.rows()) == sorted(HAD.select(QUOTES.key).rows())


row = st.tuples(st.sampled_from("AB"), st.integers(1, 4), st.sampled_from([0.0, 1.5]), st.one_of(st.none(), st.just(7)))
some_rows = st.lists(row, max_size=8, unique_by=lambda r: r[:2])


@settings(max_examples=40)
@given(some_rows, some_rows)
def test_what_is_told_and_no_more_makes_the_one_of_the_other(was, is_now):
    with TemporaryDirectory() as folder:
        lake = open_lake(folder)
        before = publish(lake, quotes(*was))
        publish(lake, quotes(*is_now))
        (part,) = parts(lake, before)
    changed, deleted = set(rows_of(part.changed)), set(part.deleted.rows())
    had, has = set(quotes(*was).rows()), set(quotes(*is_now).rows())
    touched = deleted | {r[:2] for r in changed}
    assert {r for r in had if r[:2] not in touched} | changed == has
    assert changed == has - had
    assert deleted <= {r[:2] for r in had} - {r[:2] for r in has}
