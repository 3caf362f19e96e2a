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
_PATIENCE = 120  # seconds for a run, on a busy machine


@pytest.mark.timeout(900)
def test_a_killed_run_started_again_is_as_one_undisturbed(
    build: Callable[[str, str], House], served: Served, prefect_api: str, tmp_path: Path
) -> None:
    """Moments are told by what the run has logged, for how long it takes depends on what else the machine does."""
    undisturbed = build("undisturbed", served.url)
    log = tmp_path / "undisturbed.log"
    assert _start(undisturbed, prefect_api, log).wait(timeout=_PATIENCE) == 0, log.read_text()
    lines = log.read_bytes().count(b"\n")
    expected = undisturbed.tables()
    seed = random.SystemRandom().randrange(1_000_000)
    moments = random.Random(seed)
    killed = 0
    for number in range(_KILLS):
        house, log = build(f"killed-{number}", served.url), tmp_path / f"{number}.log"
        line, seconds = moments.randrange(1, lines - 2), moments.uniform(0, 0.2)
        killed += _kill(_start(house, prefect_api, log), log, line, seconds)
        assert _start(house, prefect_api, log).wait(timeout=_PATIENCE) == 0, log.read_text()
        differing = [name for name, rows in house.tables().items() if not rows.equals(expected[name])]
        assert not differing, f"{differing} differ after a kill {seconds:.3f} s after line {line} (seed {seed})"
    assert killed >= _KILLS / 2, "most runs ended before they were killed, so that this shows nothing"


def _start(house: House, api: str, log: Path) -> "subprocess.Popen[bytes]":
    """The main job in a process of its own."""
    command = [sys.executable, "-m", "flows.market_prices", "--lag-days", "0", "--shards", "3"]
    with log.open("wb") as output:
        return subprocess.Popen(
            [*command, "--first", str(YEAR.first), "--last", str(YEAR.last)],
            env={**os.environ, **house.environment, "PREFECT_API_URL": api},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _kill(process: "subprocess.Popen[bytes]", log: Path, line: int, seconds: float) -> bool:
    """So many seconds after it has logged this line. Whether there was something left to kill."""
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and log.read_bytes().count(b"\n") < line:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)  # polled, with a deadline
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False
