"""Whenever a run is killed, starting it again ends as if nothing had happened."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.extract.sample_market import Served
from tests.flows.conftest import YEAR, House

_KILLS = 20
_SECONDS_TO_BEGIN = 60


@pytest.mark.timeout(900)
def test_a_killed_run_started_again_is_as_one_undisturbed(
    build: Callable[[str, str], House], served: Served, prefect_api: str, tmp_path: Path
) -> None:
    undisturbed = build("undisturbed", served.url)
    begun = _begin(undisturbed, prefect_api, tmp_path)
    started = time.monotonic()
    assert begun.wait(timeout=120) == 0
    duration = time.monotonic() - started
    expected = undisturbed.tables()
    seed = random.SystemRandom().randrange(1_000_000)
    moments = random.Random(seed)
    killed = 0
    for number in range(_KILLS):
        house = build(f"killed-{number}", served.url)
        moment = moments.uniform(0, duration)
        killed += _kill_after(moment, _begin(house, prefect_api, tmp_path))
        assert _begin(house, prefect_api, tmp_path).wait(timeout=120) == 0
        differing = [name for name, rows in house.tables().items() if not rows.equals(expected[name])]
        assert not differing, f"{differing} differ after a kill {moment:.3f} s into the run (seed {seed})"
    assert killed >= _KILLS / 2, "most runs ended before they were killed, so that this shows nothing"


def _begin(house: House, api: str, folder: Path) -> "subprocess.Popen[bytes]":
    """Starts the main job in a process of its own, and waits until the flow has begun."""
    log = folder / f"{time.monotonic_ns()}.log"
    command = [sys.executable, "-m", "flows.market_prices", "--lag-days", "0", "--shards", "3"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--first", str(YEAR.first), "--last", str(YEAR.last)],
            env={**os.environ, **house.environment, "PREFECT_API_URL": api},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + _SECONDS_TO_BEGIN
    while b"Beginning flow run" not in log.read_bytes():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)  # polled, with a deadline
    return process


def _kill_after(seconds: float, process: "subprocess.Popen[bytes]") -> bool:
    """Whether there was something left to kill."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False
