"""Many codes cost a few tasks, and many rows no more memory than a few."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import httpx
import pytest

from tasks.extract.sample_market import SimulatedMarket, serve
from tasks.window import Window
from tests.flows.conftest import House

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_two_thousand_codes_of_five_days_are_a_few_tasks(build: Callable[[str, str], House], prefect_api: str) -> None:
    week = Window(first=date(2024, 6, 17), last=date(2024, 6, 21))  # the nineteenth is a holiday
    with serve(SimulatedMarket(size=2200, as_of=date(2024, 6, 28))) as market:
        house = build("wide", market.url)
        codes = [f"{name}.US" for name in market.market.codes("US", week.last)][:2000]
        house.run(codes, week)
    assert 4 * len(codes) - 50 < house.count("prices") < 4 * len(codes) == 8000  # a few are listed or delisted within
    tasks = httpx.post(f"{prefect_api}/flow_runs/filter", json={"sort": "START_TIME_DESC", "limit": 1}).json()
    count = httpx.post(f"{prefect_api}/task_runs/count", json={"flow_runs": {"id": {"any_": [tasks[0]["id"]]}}}).json()
    assert count <= 16


@pytest.mark.timeout(1200)
def test_twelve_million_rows_need_less_than_two_gigabytes(
    build: Callable[[str, str], House], prefect_api: str, tmp_path: Path
) -> None:
    """5,000 codes x 10 years, into the lake and SQLite. The source and Prefect's server are processes of their own."""
    market = [
        sys.executable,
        "-m",
        "tasks.extract.sample_market",
        "--port",
        "0",
        "--codes",
        "5000",
        "--as-of",
        "2024-12-31",
    ]
    with subprocess.Popen(market, stdout=subprocess.PIPE, text=True) as source:
        try:
            assert source.stdout
            url = source.stdout.readline().split()[0]
            house = build("big", url)
            peak = _peak_of_a_run(house, prefect_api, ["--first", "2015-01-01", "--last", "2024-12-31"])
        finally:
            source.terminate()
    rows = house.count("prices")
    assert rows > 11_500_000
    assert peak < 2 * 1024**3, f"{peak / 1024**3:.2f} GiB"


def _peak_of_a_run(house: House, api: str, options: list[str]) -> int:
    """Bytes of resident memory at most, of a run in a process of its own."""
    command = "import sys; from flows.commands.market_prices import main; from tests.peak_memory import peak_memory; "
    command += "main(); sys.stderr.write(f'peak {peak_memory()}')"
    run = subprocess.run(
        [sys.executable, "-c", command, "--lag-days", "0", *options],
        env={**os.environ, **house.environment, "PREFECT_API_URL": api},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return int(run.stderr.rpartition("peak ")[2]) * 1024
