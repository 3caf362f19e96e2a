"""Conformance: housekeeping removes what is expired, and nothing else."""

from tasks.lake import Lake
from tasks.lake.retention.housekeeping import Kept, expired, housekeep
from tasks.lake.retention.read_leases import RetentionPlan, plan_path, read_plan
from tests.tasks.lake.examples import READINGS
from tests.tasks.lake.retention.tidying import HOME, HOUR, later, publish, tidy


def snapshots(lake: Lake) -> set[str]:
    paths = [e.path for e in lake.store.entries(f"{HOME}/")]
    return {p.split("/")[-2] for p in paths if p.endswith(".parquet")}


def test_superseded_snapshots_go_and_current_ones_stay(lake: Lake) -> None:
    old = [publish(lake, 1.0), publish(lake, 2.0)]
    current = [publish(lake, 3.0), publish(lake, 4.0, "q")]
    foreseen = expired(lake, READINGS, HOUR, later())
    assert len(snapshots(lake)) == 4

    kept = tidy(lake)

    assert kept == Kept(HOME, 2, sum(s.bytes for s in old), 0)
    assert sorted(e.name for e in foreseen) == sorted(f"p/{s.snapshot}" for s in old)
    assert snapshots(lake) == {s.snapshot for s in current}
    assert lake.read(READINGS, lake.partitions(READINGS)).collect()["value"].to_list() == [3.0, 4.0]
    assert lake.find(READINGS, "p", old[0].snapshot) == []
    assert tidy(lake) == Kept(HOME, 0, 0, 0)


def test_what_is_younger_than_the_retention_stays(lake: Lake) -> None:
    publish(lake, 1.0)
    publish(lake, 2.0)

    assert tidy(lake, hours=0.9).removed == 0
    assert len(snapshots(lake)) == 2


def test_what_was_first_seen_superseded_long_ago_goes_however_often_it_is_published(lake: Lake) -> None:
    first = publish(lake, 1.0)
    second = publish(lake, 2.0)
    tidy(lake, hours=0.1)
    noted = read_plan(lake.store, HOME)[0].superseded
    assert set(noted) == {f"p/{first.snapshot}"}

    third = publish(lake, 3.0)
    tidy(lake, hours=0.2)

    noted_again = read_plan(lake.store, HOME)[0].superseded
    assert set(noted_again) == {f"p/{first.snapshot}", f"p/{second.snapshot}"}
    assert noted_again[f"p/{first.snapshot}"] == noted[f"p/{first.snapshot}"]
    assert snapshots(lake) == {first.snapshot, second.snapshot, third.snapshot}


def test_files_of_a_writer_that_died_go(lake: Lake) -> None:
    current = publish(lake, 1.0)
    with lake.store.create(f"{HOME}/p/20200101T000000000000Z-0a1b2c3d/part-00000.parquet") as file:
        file.write(b"half of it")

    assert tidy(lake, hours=0.9).removed == 0
    assert tidy(lake).removed == 1
    assert snapshots(lake) == {current.snapshot}


def test_two_housekeepings_do_not_work_at_once(lake: Lake) -> None:
    publish(lake, 1.0)
    publish(lake, 2.0)
    plan = RetentionPlan(removing=frozenset({"p/other"}))
    lake.store.swap(plan_path(HOME), plan.model_dump_json().encode(), None)

    (kept,) = housekeep(lake, HOUR, later(0.9), [READINGS])
    assert kept.failed.startswith("Another housekeeping is at work in")
    assert tidy(lake).removed == 1  # after an hour the other one is dead


def test_a_partition_whose_pointer_is_broken_stays_whole_and_the_others_are_tidied(lake: Lake) -> None:
    broken = [publish(lake, 1.0), publish(lake, 2.0)]
    publish(lake, 3.0, "q")
    last = publish(lake, 4.0, "q")
    pointer = f"{HOME}/p/_current.json"
    stored = lake.store.read(pointer)
    assert stored
    lake.store.swap(pointer, b"{", stored.etag)

    kept = tidy(lake)

    assert kept.removed == 1
    assert kept.failed.startswith("p: ValidationError: ")
    assert snapshots(lake) == {*(s.snapshot for s in broken), last.snapshot}
