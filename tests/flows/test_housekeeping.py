"""Housekeeping as it is scheduled, on a real Prefect server."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from prefect.artifacts import Artifact

from flows.housekeeping import housekeeping
from tasks.datasets import DATA_QUALITY
from tasks.errors import ConfigurationError
from tasks.lake import Change, Lake, SnapshotRef, open_lake

# Prefect leaves the sockets of a run to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def lake(tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("ETL_LAKE_URL", str(tmp_path / "lake"))
    monkeypatch.setenv("ETL_WAREHOUSE_URL", f"sqlite:///{tmp_path}/warehouse.sqlite")
    return open_lake(str(tmp_path / "lake"))


def publish(lake: Lake, detail: str) -> SnapshotRef:
    day = datetime(2024, 1, 1, tzinfo=UTC).date()
    row = {"window_first": day, "window_last": day, "dataset": "prices", "check": "a", "severity": "error"}
    row |= {"passed": True, "value": 1.0, "threshold": 2.0, "detail": detail}
    frame = pl.DataFrame([row], schema=DATA_QUALITY.polars_schema)
    written = lake.update(DATA_QUALITY, "year=2024/shard=0", lambda _: Change([frame], ()), "run")
    assert written
    return written


def aged(folder: Path, age: timedelta) -> None:
    """Makes all files as old, and the names of snapshots with them."""
    moment = time.time() - age.total_seconds()
    for path in folder.rglob("*"):
        os.utime(path, (moment, moment))


def test_a_scheduled_run_removes_what_is_expired(lake: Lake, tmp_path: Path) -> None:
    month_ago = datetime.now(UTC) - timedelta(days=30)
    old = publish(Lake(lake.store, lambda: month_ago), "old")
    publish(Lake(lake.store, lambda: month_ago), "current")
    aged(tmp_path, timedelta(days=30))

    results = asyncio.run(housekeeping())

    assert {kept.dataset: kept.removed for kept in results if kept.removed} == {"published/data_quality": 1}
    assert lake.find(DATA_QUALITY, old.partition, old.snapshot) == []
    assert lake.read(DATA_QUALITY, lake.partitions(DATA_QUALITY)).collect()["detail"].to_list() == ["current"]
    artifact = asyncio.run(Artifact.aget("housekeeping"))
    assert artifact
    assert '"dataset": "published/data_quality", "removed": 1' in str(artifact.data)


def test_a_run_with_a_retention_of_minutes_fails(lake: Lake) -> None:
    with pytest.raises(ConfigurationError, match="Give 1:00:00 or more"):
        asyncio.run(housekeeping(retention_days=0.01))


@pytest.mark.parametrize("days", [float("nan"), 1e12])
def test_a_retention_that_is_no_time_is_refused_in_words(lake: Lake, days: float) -> None:
    with pytest.raises(ConfigurationError, match="days are no time to keep snapshots for"):
        asyncio.run(housekeeping(days))


def test_a_scheduled_run_removes_staging_tables_that_a_dead_load_has_left(lake: Lake, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "warehouse.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE etl_staging_prices_0123456789abcdef (code TEXT)")
        connection.execute("CREATE TABLE prices (code TEXT)")

    asyncio.run(housekeeping())

    with closing(sqlite3.connect(tmp_path / "warehouse.sqlite")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("prices",)]


def test_a_warehouse_that_is_in_use_is_left_for_the_next_time(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_WAREHOUSE_URL", f"sqlite:///{tmp_path}/warehouse.sqlite?lock_timeout=0.1")
    holding = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('CREATE TABLE etl_staging_prices_0123456789abcdef (code TEXT)'); c.execute('BEGIN EXCLUSIVE'); "
        "print('held', flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", holding, str(tmp_path / "warehouse.sqlite")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        asyncio.run(housekeeping())
        holder.communicate("\n")

    with closing(sqlite3.connect(tmp_path / "warehouse.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)
