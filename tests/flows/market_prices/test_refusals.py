"""What cannot work ends with an error that says what to do, and leaves everything as it was."""

import logging
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

import httpx
import pytest
from prefect.exceptions import FailedRun

from tasks.errors import AuthenticationError, ConfigurationError, ContractError, FatalError
from tasks.extract.sample_market import Accounts, Faults, Plan, Served, SimulatedMarket, serve
from tasks.window import Window
from tests.flows.conftest import AS_OF, House

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_a_window_that_ends_before_it_starts(house: House) -> None:
    with pytest.raises(ConfigurationError, match="ends on 2024-01-01, before it starts on 2024-02-01"):
        house.run(window=Window(first=date(2024, 2, 1), last=date(2024, 1, 1)))


def test_what_is_no_code(house: House) -> None:
    with pytest.raises(ConfigurationError, match=r"'BAD CODE' is not an instrument's code"):
        house.run(["BAD CODE"])


def test_a_wrong_token(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, prefect_api: str
) -> None:
    token = "5ecret-t0ken-of-nobody"
    monkeypatch.setenv("ETL_SOURCE_TOKEN", token)
    with caplog.at_level(logging.DEBUG), pytest.raises(AuthenticationError, match="Set ETL_SOURCE_TOKEN") as refusal:
        house.run()
    assert "401" in str(refusal.value)
    assert token not in caplog.text
    states = httpx.post(f"{prefect_api}/flow_runs/filter", json={"sort": "START_TIME_DESC", "limit": 1}).json()
    assert "ETL_SOURCE_TOKEN" in states[0]["state"]["message"]
    assert token not in str(states)
    tasks = httpx.post(f"{prefect_api}/task_runs/filter", json={"flow_runs": {"id": {"any_": [states[0]["id"]]}}})
    assert token not in tasks.text


def test_another_source_for_the_same_lake(house: House, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    june = Window(first=date(2024, 6, 3), last=date(2024, 6, 14))
    house.run(["AAPL.US"], june)
    before, asked = house.table("prices"), served.requests.total
    monkeypatch.setenv("ETL_SOURCE_URL", "")
    with pytest.raises(ConfigurationError, match=r"from 127\.0\.0\.1, and .* is the sample market"):
        house.run(["AAPL.US"])
    monkeypatch.setenv("ETL_SOURCE_URL", served.url)
    assert house.table("prices").equals(before)
    assert served.requests.total == asked


def test_a_used_up_quota_keeps_what_came_and_goes_on_the_next_day(build: Callable[[str, str], House]) -> None:
    accounts = Accounts({"demo": Plan("small", daily_limit=155, minute_limit=None)})
    with serve(SimulatedMarket(size=60, as_of=AS_OF), accounts=accounts) as market:
        house = build("quota", market.url)
        with pytest.raises(FailedRun, match="Run the same window again after midnight GMT"):
            house.run()
        kept = market.requests.by_status[200] - 1  # the list of codes
        assert kept == 55
    with serve(SimulatedMarket(size=60, as_of=AS_OF)) as market:
        house = build("quota", market.url)
        house.run()
        assert market.requests.total - 1 == house.table("prices")["code"].n_unique() - kept


def test_a_source_that_is_down_is_waited_for_however_few_the_codes(
    house: House, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_SOURCE_ATTEMPTS", "2")
    codes = [f"{name}.US" for name in served.market.codes("US", AS_OF)[:3]]
    served.faults = Faults(unavailable=1, retry_after_seconds=0)
    with pytest.raises(FailedRun, match="The source failed all 3 codes"):
        house.run(codes)
    served.faults = Faults()
    house.run(codes)
    assert house.table("prices")["code"].unique().sort().to_list() == sorted(codes)


def test_a_lake_that_cannot_be_written(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("ETL_LAKE_URL", str(tmp_path / "file" / "lake"))
    with pytest.raises(ConfigurationError, match="Point ETL_LAKE_URL at a folder that this user may"):
        house.run()


def test_a_full_disk(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "256k") as disk:
        monkeypatch.setenv("ETL_LAKE_URL", str(disk / "lake"))
        with pytest.raises(FatalError, match=r"The disk is full: .*Free some space and start the run again"):
            house.run()
        assert not list(disk.rglob("*.parquet")) or list(disk.rglob("_current.json"))
    monkeypatch.setenv("ETL_LAKE_URL", str(house.lake))
    house.run()
    assert house.table("prices").height > 10_000


def test_a_warehouse_that_is_no_database(house: House) -> None:
    house.warehouse.write_text("these are not the bytes of a database, whatever the name says" * 20)
    before = house.warehouse.read_bytes()
    with pytest.raises(ConfigurationError, match=r"warehouse\.sqlite"):
        house.run()
    assert house.warehouse.read_bytes() == before


def test_a_table_whose_columns_differ(house: House) -> None:
    with closing(sqlite3.connect(house.warehouse)) as connection:
        connection.execute("CREATE TABLE prices (code TEXT, date TEXT, close INTEGER)")
        connection.execute("INSERT INTO prices VALUES ('IBM.US', '2024-01-02', 160)")
        connection.commit()
    with pytest.raises(ContractError, match="prices") as refusal:
        house.run()
    assert "adjusted_close" in str(refusal.value)
    assert house.table("prices").rows() == [("IBM.US", "2024-01-02", 160)]


def test_failed_checks_stop_the_load(house: House, served: Served) -> None:
    """All codes unknown: nothing to load, and the table of checks says so."""
    with pytest.raises(ContractError, match=r"were not loaded, for these checks failed: completeness"):
        house.run(["NOSUCH.US", "NEITHER.US"])
    assert house.table("etl_runs")["state"].to_list() == ["checks failed, not loaded"]
    assert house.table("data_quality").height == 11


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """A file system of its own, which only root can mount."""
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)
