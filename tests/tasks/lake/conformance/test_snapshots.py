"""Conformance: what readers see, and what publishing does to it."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.datasets import FETCHES
from tasks.lake import Change, Lake, LostRaceError, SnapshotRef, open_lake
from tasks.lake.store import Store
from tests.tasks.lake.examples import READINGS, START, WITH_UNIT, change, readings


def publish(lake: Lake, *frames: pl.DataFrame, partition: str = "p", inputs: tuple[str, ...] = ()) -> SnapshotRef:
    published = lake.update(READINGS, partition, lambda _: change(*frames, inputs=inputs), "run-1")
    assert published is not None
    return published


def files(store: Store, prefix: str = "curated/readings/") -> dict[str, str]:
    """Path and digest of every file but the pointers."""
    found = [e.path for e in store.entries(prefix) if not e.path.endswith("/_current.json")]
    return {path: hashlib.sha256(getattr(store.read(path), "data", b"")).hexdigest() for path in found}


def test_what_is_published_is_read_back(lake: Lake) -> None:
    rows = readings(1.0, None, 3.0)
    published = publish(lake, rows, inputs=("raw-1", "raw-2"))

    assert lake.current(READINGS, "p") == published
    assert_frame_equal(lake.read(READINGS, [published]).collect(), rows)


def test_a_reference_tells_what_was_published(lake: Lake, lake_url: str) -> None:
    moment = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    lake = Lake(lake.store, clock=lambda: moment)
    published = publish(lake, readings(1.0, 2.0), readings(3.0, 4.0, 5.0, sensor="b"), inputs=("raw-1",))

    assert (published.state, published.dataset, published.partition) == ("curated", "readings", "p")
    assert (published.rows, published.run, published.inputs) == (5, "run-1", ("raw-1",))
    assert (published.first, published.last) == (START, START + timedelta(days=2))
    assert published.created == moment
    assert published.snapshot.startswith("20240506T070809123456Z-")
    assert published.bytes == sum(e.bytes for e in lake.store.entries(f"curated/readings/p/{published.snapshot}/"))
    assert SnapshotRef.model_validate_json(published.model_dump_json()) == published


def test_where_nothing_was_published_there_is_nothing(lake: Lake) -> None:
    assert lake.current(READINGS, "p") is None
    assert lake.partitions(READINGS) == []
    assert_frame_equal(lake.read(READINGS, []).collect(), readings())


def test_rows_may_come_in_many_frames_and_go_to_many_files(lake: Lake) -> None:
    lake = Lake(lake.store, rows_per_file=4)
    frames = [readings(*[float(n)] * n, sensor=str(n)) for n in (3, 0, 1, 9, 2)]
    published = publish(lake, *frames)

    assert published.rows == 15
    assert len(published.files) >= 4
    assert all(lake.scan(READINGS, [f]).select(pl.len()).collect().item() <= 4 for f in published.files)
    assert_frame_equal(lake.read(READINGS, [published]).collect(), pl.concat(frames))


def test_a_snapshot_may_be_empty(lake: Lake) -> None:
    published = publish(lake, readings())

    assert (published.files, published.rows, published.bytes) == ((), 0, 0)
    assert (published.first, published.last) == (None, None)
    assert_frame_equal(lake.read(READINGS, [published]).collect(), readings())


def test_a_snapshot_never_changes(lake: Lake, store: Store) -> None:
    first = publish(lake, readings(1.0))
    before = files(store)
    second = publish(lake, readings(2.0))

    after = files(store)
    assert {path: after[path] for path in before} == before
    assert second.snapshot > first.snapshot
    assert lake.find(READINGS, "p", first.snapshot) == list(first.files)
    assert_frame_equal(lake.read(READINGS, [first]).collect(), readings(1.0))
    assert_frame_equal(lake.read(READINGS, [second]).collect(), readings(2.0))


def test_an_update_is_made_from_what_is_current(lake: Lake) -> None:
    def one_more(current: SnapshotRef | None) -> Change:
        stored = lake.read(READINGS, [current] if current else []).collect()
        return change(pl.concat([stored, readings(float(len(stored)), sensor=str(len(stored)))]))

    for _ in range(3):
        lake.update(READINGS, "p", one_more, "run")

    current = lake.current(READINGS, "p")
    assert current is not None
    assert lake.read(READINGS, [current]).collect()["value"].to_list() == [0.0, 1.0, 2.0]


def test_an_update_of_nothing_publishes_nothing(lake: Lake, store: Store) -> None:
    assert lake.update(READINGS, "p", lambda _: None, "run") is None
    assert list(store.entries("curated/")) == []

    published = publish(lake, readings(1.0))
    before = [e.path for e in store.entries("curated/")]
    assert lake.update(READINGS, "p", lambda _: None, "run") == published
    assert [e.path for e in store.entries("curated/")] == before


def test_partitions_are_listed_with_what_is_current_in_them(lake: Lake) -> None:
    names = ["year=2023/shard=0", "year=2023/shard=1", "year=2024/shard=0", "year=20231/shard=0"]
    for name in names:
        publish(lake, readings(0.0), partition=name)
        publish(lake, readings(1.0), partition=name)

    assert {s.partition for s in lake.partitions(READINGS)} == set(names)
    assert [s.partition for s in lake.partitions(READINGS, "year=2023/")] == names[:2]
    assert lake.partitions(READINGS, "year=2022/") == []
    assert lake.read(READINGS, lake.partitions(READINGS)).select("value").collect()["value"].to_list() == [1.0] * 4


def test_ids_are_in_order_whatever_the_clocks_say(lake: Lake) -> None:
    """Nodes differ in their clocks, and two snapshots may come within its smallest step."""
    later = datetime(2030, 1, 1, tzinfo=UTC)
    clocks = [later, later, later - timedelta(days=1), later + timedelta(days=1)]
    ids = [publish(Lake(lake.store, clock=lambda moment=clock: moment), readings(1.0)).snapshot for clock in clocks]  # type: ignore[misc]

    assert ids == sorted(set(ids))


def test_who_is_overtaken_starts_over_from_the_new_state(lake: Lake, lake_url: str, store: Store) -> None:
    seen: list[SnapshotRef | None] = []

    def slow(current: SnapshotRef | None) -> Change:
        seen.append(current)
        if len(seen) == 1:
            publish(open_lake(lake_url), readings(1.0), partition="p")
        return change(readings(float(len(seen))))

    won = lake.update(READINGS, "p", slow, "slow")

    assert [s.run if s else None for s in seen] == [None, "run-1"]
    assert won == lake.current(READINGS, "p")
    assert won is not None
    assert set(files(store)) == {*won.files, *getattr(seen[1], "files", ())}


def test_who_is_overtaken_again_and_again_gives_up(lake: Lake, lake_url: str, store: Store) -> None:
    other = open_lake(lake_url)

    def overtaken(current: SnapshotRef | None) -> Change:
        publish(other, readings(1.0))
        return change(readings(2.0))

    with pytest.raises(LostRaceError, match="curated/readings/p was published by others 100 times while run slow"):
        lake.update(READINGS, "p", overtaken, "slow")

    assert getattr(lake.current(READINGS, "p"), "run", None) == "run-1"
    assert len(files(store)) == 100  # none of them the loser's


def test_a_write_that_fails_leaves_nothing(lake: Lake, store: Store) -> None:
    published = publish(lake, readings(1.0))
    before = files(store)
    small = Lake(store, rows_per_file=1)

    def failing() -> Iterator[pl.DataFrame]:
        yield readings(2.0, 3.0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        small.update(READINGS, "p", lambda _: Change(failing(), ()), "run")

    assert files(store) == before
    assert lake.current(READINGS, "p") == published


def test_inputs_are_confirmed_without_a_new_snapshot(lake: Lake, store: Store) -> None:
    published = publish(lake, readings(1.0), inputs=("raw-1",))
    before = files(store)

    confirmed = lake.confirm(published, ("raw-2",))

    assert confirmed == published.model_copy(update={"inputs": ("raw-2",)})
    assert lake.current(READINGS, "p") == confirmed
    assert files(store) == before


def test_inputs_of_a_snapshot_that_was_superseded_are_not_confirmed(lake: Lake) -> None:
    old = publish(lake, readings(1.0))
    new = publish(lake, readings(2.0))

    lake.confirm(old, ("raw-2",))

    assert lake.current(READINGS, "p") == new


def test_a_fingerprint_is_that_of_the_columns(lake: Lake) -> None:
    one, other = publish(lake, readings(1.0)), publish(lake, readings(2.0))
    with_unit = readings(1.0).with_columns(unit=pl.lit("K"))
    wide = lake.update(WITH_UNIT, "q", lambda _: change(with_unit), "run")

    assert one.fingerprint == other.fingerprint != getattr(wide, "fingerprint", None)


def test_every_type_of_the_catalogue_survives(lake: Lake) -> None:
    rows = pl.DataFrame(
        [
            (
                "AAPL.US",
                "refused",
                "no bar",
                None,
                0,
                b"<html>\x00",
                datetime(2024, 1, 1, tzinfo=UTC),
                date(2024, 1, 1),
                None,
            )
        ],
        schema=FETCHES.polars_schema,
        orient="row",
    )
    published = lake.update(FETCHES, "p", lambda _: Change([rows], ()), "run")
    assert published is not None
    assert_frame_equal(lake.read(FETCHES, [published]).collect(), rows)
    assert (published.first, published.last) == (None, None)  # of a dataset without a period


def test_the_span_of_dates_is_that_of_all_files(lake: Lake) -> None:
    late = readings(*[1.0] * 3, sensor="b").with_columns(pl.col("day") + pl.duration(days=40))
    published = publish(Lake(lake.store, rows_per_file=2), late, readings(1.0, 2.0))

    assert (published.first, published.last) == (START, date(2024, 2, 12))
