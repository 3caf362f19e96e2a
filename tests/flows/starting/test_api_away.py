"""Prefect's API away, at the start or in the middle of a run: told in words with its address, losing no data."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.servers.fault_proxy import Fault, FaultProxy, Request, fault_proxy
from tests.servers.prefect_server import prefect_server

ROOT = Path(__file__).parents[3]
SPAN = ("--first", "2024-01-01", "--last", "2024-02-01")


@pytest.mark.parametrize("flow", [("backfill", *SPAN), ("housekeeping",)])
def test_an_api_that_is_away_at_the_start_is_named(tmp_path: Path, flow: tuple[str, ...]) -> None:
    done = shell(tmp_path, *flow, PREFECT_API_URL="http://somebody:geheim@127.0.0.1:1/api")
    assert done.returncode == 1
    assert done.stderr.startswith("\nThe Prefect API at http://somebody:***@127.0.0.1:1/api does not answer")
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_api_that_refuses_the_credentials_is_named(tmp_path: Path) -> None:
    with prefect_server(tmp_path / "prefect", api_auth_string="admin:right") as api:
        done = shell(tmp_path, "housekeeping", PREFECT_API_URL=api, PREFECT_API_AUTH_STRING="admin:geheim")
    assert done.returncode == 1
    assert done.stderr.strip().startswith(
        f"The Prefect API at {api} refuses its credentials (401). Set PREFECT_API_AUTH_"
    )
    assert "geheim" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_api_that_is_lost_in_the_middle_stops_no_load(tmp_path: Path, prefect_api: str) -> None:
    with lost_at_the_first_artifact(prefect_api) as proxy:
        done = shell(tmp_path, "market_prices", *SPAN, PREFECT_API_URL=proxy.url, PREFECT_CLIENT_MAX_RETRIES="0")
    assert rows(tmp_path, "prices") > 0
    assert rows(tmp_path, "etl_runs") == 1
    assert done.returncode == 1
    assert f"An artifact is not kept, and the run goes on without it. The Prefect API at {proxy.url} " in told(done)
    assert f"\nThe Prefect API at {proxy.url} does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_artifact_that_is_not_taken_fails_no_run(tmp_path: Path, prefect_api: str) -> None:
    with fault_proxy(prefect_api, lambda request: refused if "/artifacts/" in request.target else None) as proxy:
        done = shell(tmp_path, "market_prices", *SPAN, PREFECT_API_URL=proxy.url)
    assert done.returncode == 0, done.stderr
    assert f"The Prefect API at {proxy.url} answered 507." in told(done)
    assert rows(tmp_path, "prices") > 0


refused = b"HTTP/1.1 507 Insufficient Storage\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@contextmanager
def lost_at_the_first_artifact(api: str) -> Iterator[FaultProxy]:
    lost = False

    def rule(request: Request) -> Fault | bytes | None:
        nonlocal lost
        lost = lost or "/artifacts/" in request.target
        return Fault.RESET if lost else None

    with fault_proxy(api, rule) as proxy:
        yield proxy


def rows(home: Path, table: str) -> int:
    with closing(sqlite3.connect(home / ".etl" / "warehouse.sqlite")) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def told(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


def shell(home: Path, flow: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(ROOT), "ETL_SAMPLE_MARKET_CODES": "20", "ETL_DASHBOARD_PATH": "", **settings}
    return subprocess.run(
        [sys.executable, "-m", f"flows.{flow}", *arguments],
        cwd=home,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
