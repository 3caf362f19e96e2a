"""Whenever runs are killed, one more ends as if nothing had happened."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.extract.sample_market import Served
from tests.flows.conftest import YEAR, House
from tests.kills import PATIENCE, kill_at

_HOUSES = 4
_KILLS = 3  # one after the other, before a run comes to its end


@pytest.mark.timeout(900)
def test_a_killed_run_started_again_is_as_one_undisturbed(
    build: Callable[[str, str], House], served: Served, prefect_api: str, tmp_path: Path
) -> None:
    """Moments are told by what the run has logged, for how long it takes depends on what else the machine does."""
    undisturbed = build("undisturbed", served.url)
    log = tmp_path / "undisturbed.log"
    assert _start(undisturbed, prefect_api, log).wait(timeout=PATIENCE) == 0, log.read_text()
    lines = log.read_bytes().count(b"\n")
    expected = undisturbed.tables()
    seed = random.SystemRandom().randrange(1_000_000)
    moments = random.Random(seed)
    killed = 0
    for number in range(_HOUSES):
        house, told = build(f"killed-{number}", served.url), []
        for again in range(_KILLS):
            log = tmp_path / f"{number}-{again}.log"
            line, seconds = moments.randrange(1, lines - 2), moments.uniform(0, 0.2)
            killed += kill_at(_start(house, prefect_api, log), log, line, seconds)
            told.append(f"{seconds:.3f} s after line {line}")
        assert _start(house, prefect_api, log).wait(timeout=PATIENCE) == 0, log.read_text()
        differing = [name for name, rows in house.tables().items() if not rows.equals(expected[name])]
        assert not differing, f"{differing} differ after kills {', '.join(told)} (seed {seed})"
    assert killed >= _HOUSES * _KILLS / 2, "most runs ended before they were killed, so that this shows nothing"


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
