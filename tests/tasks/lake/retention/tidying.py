"""Publishing and housekeeping in a few words, for tests of both."""

from datetime import UTC, datetime, timedelta

from tasks.lake import Lake, SnapshotRef
from tasks.lake.retention.housekeeping import Kept, housekeep
from tests.tasks.lake.examples import READINGS, change, readings

HOME = "curated/readings"
HOUR = timedelta(hours=1)


def later(hours: float = 2) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def publish(lake: Lake, value: float, partition: str = "p") -> SnapshotRef:
    written = lake.update(READINGS, partition, lambda _: change(readings(value)), "run")
    assert written
    return written


def tidy(lake: Lake, hours: float = 2) -> Kept:
    (kept,) = housekeep(lake, HOUR, later(hours), [READINGS])
    return kept
