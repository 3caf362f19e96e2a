"""The whole of production on this machine, from its start to what is left when it ends."""

import json
import signal
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psycopg
import pytest
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import ContainerClient

from deployments.local.services import AZURITE_ACCOUNT, AZURITE_KEY, BATCH_ACCOUNT, BATCH_KEY, Ports
from tasks.extract.sample_market import SimulatedMarket
from tasks.sessions.trading_days import sessions
from tasks.window import Window
from tests.deadline import until
from tests.deployments.local.stack import Stack, alive, begun, free_ports, running
from tests.flows.conftest import market_frame

WEEKLY = ("prefect", "deployment", "run", "market-prices/weekly", "--watch")
CODES = ("AAPL.US", "TSLA.US")
SOME = ("--param", f"codes={json.dumps(CODES)}")


def blobs(stack: Stack, container: str) -> list[str]:
    url = f"http://127.0.0.1:{stack.ports.azurite}/{AZURITE_ACCOUNT}/{container}"
    with ContainerClient.from_container_url(url, AzureNamedKeyCredential(AZURITE_ACCOUNT, AZURITE_KEY)) as client:
        return list(client.list_blob_names())


# The window of one run, by its id, and what is stored of it: schedules fire beside it.
RAN = "SELECT window_first, window_last FROM etl_runs WHERE run = '{run}'"
IN_WINDOW = f"JOIN ({RAN}) AS ran ON date BETWEEN window_first AND window_last"
STORED = f"SELECT code, date FROM prices {IN_WINDOW} ORDER BY code, date"
MEASURED = f"SELECT count(*) FROM price_measures JOIN ({RAN}) AS ran ON week BETWEEN window_first AND window_last"


def test_a_deployment_runs_from_the_shell_to_the_warehouse(stack: Stack) -> None:
    before = stack.flow_runs("market-prices/weekly")
    assert "Flow run finished successfully" in stack.run(*WEEKLY)
    (ran,) = stack.flow_runs("market-prices/weekly").keys() - before.keys()
    assert any(name.endswith(".parquet") for name in blobs(stack, "curated"))
    with closing(sqlite3.connect(stack.state / "warehouse.sqlite")) as warehouse:
        window = Window.parse("_".join(warehouse.execute(RAN.format(run=ran)).fetchone()))
        stored = warehouse.execute(STORED.format(run=ran)).fetchall()
        measured = warehouse.execute(MEASURED.format(run=ran)).fetchone()
    expected = market_frame(SimulatedMarket(size=500), "US", window)
    weeks = expected.select("code", week=pl.col("date").dt.truncate("1w"))
    assert window.days == 14
    assert stored == [(code, str(day)) for code, day in expected.select("code", "date").rows()]
    assert measured == (weeks.filter(pl.col("week") >= window.first).n_unique(),)
    assert (stack.state / "dashboard.html").exists()


def test_no_secret_is_in_a_task_of_batch(stack: Stack) -> None:
    if not stack.flow_runs("market-prices/weekly"):
        stack.run(*WEEKLY, *SOME)
    endpoint = f"http://127.0.0.1:{stack.ports.batch}"
    with BatchClient(endpoint, AzureNamedKeyCredential(BATCH_ACCOUNT, BATCH_KEY)) as client:
        tasks = [task for job in client.list_jobs() for task in client.list_tasks(job.id)]
    assert tasks
    for task in tasks:
        told = json.dumps(task.as_dict())
        assert "ETL_LAKE_CREDENTIALS_BLOCK" in told
        assert AZURITE_KEY not in told
        assert BATCH_KEY not in told


def test_what_it_tells_to_open_is_there(stack: Stack) -> None:
    for port in (stack.ports.prefect, stack.ports.batch):
        assert httpx.get(f"http://127.0.0.1:{port}", follow_redirects=True, timeout=60).status_code == 200
    assert AZURITE_KEY not in (stack.state / "environment").read_text()
    assert "after the start" in stack.said()


def test_the_ui_asks_the_server_that_shows_it(stack: Stack) -> None:
    assert httpx.get(f"{stack.api.removesuffix('api')}ui-settings", timeout=60).json()["api_url"] == stack.api


def test_flows_run_in_the_shell_against_it(stack: Stack) -> None:
    stack.run("python", "-m", "flows.housekeeping")
    assert f"ETL_LAKE_URL = http://127.0.0.1:{stack.ports.azurite}" in stack.run("python", "-m", "tasks.settings")


def test_a_second_one_in_the_same_folder_is_refused(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "state").symlink_to(stack.state)
    with begun(tmp_path, "--fresh") as second:
        assert second.process.wait(timeout=60) == 1
        assert "A stack is running in" in second.said()
    assert (stack.state / "prefect").exists()


def test_it_leaves_data_but_no_process_and_comes_back(folder: Path) -> None:
    """With PostgreSQL as the warehouse."""
    ports = free_ports()
    with running(folder, "--postgres", ports=ports) as first:
        assert "Flow run finished successfully" in first.run(*WEEKLY, *SOME)
        (ran,) = first.flow_runs("market-prices/weekly")
        (window,), stored = query(first, RAN.format(run=ran)), query(first, STORED.format(run=ran))
        children = first.children()
        assert stored == [(code, day) for code in CODES for day in sessions("US", *window)]
        assert first.stop() == 0
        assert "What was stored is kept" in first.said()
        assert alive(children) == []
    with running(folder, "--postgres", ports=ports) as again:
        assert query(again, STORED.format(run=ran)) == stored
        assert any(name.endswith(".parquet") for name in blobs(again, "curated"))
        assert again.flow_runs("market-prices/weekly") == {ran: "COMPLETED"}
        # Killed, it cannot stop its children: they stop when it is gone.
        children = again.children()
        again.process.kill()
        again.process.wait(timeout=30)
        until(lambda: not alive(children), 60)
    with begun(folder, "--fresh", ports=ports) as fresh:
        until(lambda: "Azurite ... runs" in fresh.said(), 120)
        assert not (fresh.state / "postgres").exists()
        assert not (fresh.state / "environment").exists()
        children = fresh.children()
        # In the middle of a start.
        assert fresh.stop(signal.SIGTERM) == 0
        assert alive(children) == []


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that PostgreSQL's own user may enter, as the tests' is not."""
    with tempfile.TemporaryDirectory(prefix="stack-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def query(stack: Stack, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(f"postgresql://etl@127.0.0.1:{stack.ports.postgres}/postgres") as connection:
        return connection.execute(statement.encode()).fetchall()


def test_a_child_that_dies_ends_all_and_is_named(tmp_path: Path) -> None:
    with begun(tmp_path) as stack:
        until(lambda: "Azurite ... runs" in stack.said(), 120)
        children = stack.children()
        azurite = next(child for child in children if "azurite" in " ".join(child.cmdline()))
        azurite.kill()
        assert stack.process.wait(timeout=120) == 1
        assert "Azurite has ended with -9" in stack.said()
    assert alive(children) == []


def test_a_port_that_is_taken_is_named_and_nothing_forgotten(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    for name in ("stack-of-the-local-production", "warehouse.sqlite"):
        (tmp_path / "state" / name).touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = Ports(**{**vars(free_ports()), "azurite": taken.getsockname()[1]})
        with begun(tmp_path, "--fresh", ports=ports) as stack:
            assert stack.process.wait(timeout=60) == 1
            assert f"Port {ports.azurite}, for azurite, is taken." in stack.said()
            assert "--azurite-port" in stack.said()
    assert (tmp_path / "state" / "warehouse.sqlite").exists()


def test_a_folder_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "letters.txt").write_text("dear")
    with begun(tmp_path, "--fresh") as stack:
        assert stack.process.wait(timeout=60) == 1
        assert "not a stack's" in stack.said()
    assert (tmp_path / "state" / "letters.txt").read_text() == "dear"
