"""What is expired, told from a listing: with moments chosen, which a store would not let a test choose."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from tasks.errors import ConfigurationError
from tasks.lake.retention.expired import take_inventory
from tasks.lake.store import Entry

HOME = "curated/prices"
NOW = datetime(2024, 6, 30, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def named(begun: datetime, suffix: str = "0a1b2c3d") -> str:
    return f"year=2024/shard=1/{begun:%Y%m%dT%H%M%S%f}Z-{suffix}"


def part(snapshot: str, modified: datetime) -> Entry:
    return Entry(f"{HOME}/{snapshot}/part-00000.parquet", 10, modified)


def pointer(modified: datetime) -> Entry:
    return Entry(f"{HOME}/year=2024/shard=1/_current.json", 1, modified)


def expired(entries: list[Entry], current: str, known: Mapping[str, datetime] | None = None) -> list[str]:
    inventory = take_inventory(entries, HOME)
    return [e.name for e in inventory.expired(inventory.superseded([current], known or {}), WEEK, NOW)]


OLD, NEW = named(ago(30)), named(ago(10))


def test_what_was_superseded_before_the_retention_goes() -> None:
    assert expired([part(OLD, ago(30)), part(NEW, ago(10)), pointer(ago(10))], NEW) == [OLD]


def test_the_current_one_stays_however_old() -> None:
    assert expired([part(OLD, ago(30)), pointer(ago(30))], OLD) == []


def test_an_old_one_that_was_superseded_a_moment_ago_stays() -> None:
    fresh = named(ago(0.01))
    assert expired([part(OLD, ago(30)), part(fresh, ago(0.01)), pointer(ago(0.01))], fresh) == []


def test_a_partition_that_is_rewritten_every_day_loses_what_was_seen_superseded_long_ago() -> None:
    fresh = named(ago(0.01))
    entries = [part(OLD, ago(30)), part(NEW, ago(10)), part(fresh, ago(0.01)), pointer(ago(0.01))]

    assert expired(entries, fresh, {OLD: ago(9.9), NEW: ago(3)}) == [OLD]


def test_what_was_superseded_is_remembered_by_its_first_sight() -> None:
    inventory = take_inventory([part(OLD, ago(30)), part(NEW, ago(10)), pointer(ago(5))], HOME)

    assert inventory.superseded([NEW], {}) == {OLD: ago(5)}
    assert inventory.superseded([NEW], {OLD: ago(8), "gone": ago(20)}) == {OLD: ago(8)}


def test_files_of_a_writer_that_never_published_go() -> None:
    assert expired([part(OLD, ago(29))], "") == [OLD]


def test_files_that_are_still_written_stay() -> None:
    assert expired([part(OLD, ago(6.9)), pointer(ago(30))], "") == []


def test_a_writer_whose_files_are_older_than_itself_is_not_believed() -> None:
    """Its clock, or the store's, is wrong: the later of the two counts."""
    assert expired([part(named(ago(1)), ago(30)), pointer(ago(30))], "") == []


@pytest.mark.parametrize(
    "path",
    ["notes.txt", "year=2024/part-00000.parquet", "_readers/0a.json", "_housekeeping/plan.json", f"{OLD}/notes.txt"],
)
def test_what_the_lake_did_not_write_is_left_alone(path: str) -> None:
    assert expired([Entry(f"{HOME}/{path}", 1, ago(300))], "") == []


def test_a_retention_of_minutes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Give 1:00:00 or more"):
        take_inventory([], HOME).expired({}, timedelta(minutes=59), NOW)
