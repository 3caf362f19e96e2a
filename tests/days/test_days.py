"""The clock is at another day for whatever is started, and each day has its turn."""

import os
import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.days.__main__ import ROOT, clock
from tests.days.days_and_tests import DAYS, TESTS, Day, turn

# As what is not of Python sees it, and Python: the time, a sleep, a lock's timeout, a new file, an hour-old one.
PROBE = """
import os, pathlib, subprocess, threading, time
print(subprocess.run(["date", "-u", "+%F"], capture_output=True, text=True).stdout, end="")
begun = time.monotonic()
time.sleep(0.01)
threading.Semaphore(0).acquire(timeout=0.01)
threading.Event().wait(0.01)
assert time.monotonic() - begun < 60
file = pathlib.Path("file")
file.touch()
assert abs(file.stat().st_mtime - time.time()) < 2
os.utime(file, (time.time() - 3600,) * 2)
assert abs(file.stat().st_mtime - time.time() + 3600) < 2
print(time.strftime("%F", time.gmtime()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone lets a program's clock be moved from outside")
@pytest.mark.parametrize("day", [DAYS[0], DAYS[-1]], ids=lambda day: day.name)
def test_every_process_is_at_the_day(day: Day, tmp_path: Path) -> None:
    environment = os.environ | {"LD_PRELOAD": str(clock(day, tmp_path))}
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == ([day.name, day.name], "")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone lets a program's clock be moved from outside")
def test_whatever_is_loaded_is_at_the_day(tmp_path: Path) -> None:
    """Polars asks for the clock of a C library of 2002, as all does that is built for many Linuxes."""
    moved = clock(DAYS[0], tmp_path)
    environment = os.environ | {"LD_PRELOAD": str(moved), "LD_DEBUG": "bindings", "LD_BIND_NOW": "1"}
    command = [sys.executable, "-c", "import polars, pyarrow"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    bound = re.findall(r"binding file (\S+) \[0\] to (\S+) \[0\]: normal symbol `clock_gettime'", done.stderr)
    assert any("polars" in file for file, _ in bound)
    assert {to for file, to in bound if file != str(moved)} == {str(moved)}


def test_each_day_has_its_turn() -> None:
    begin = date(2026, 12, 1)
    assert {turn(begin + timedelta(days=n)) for n in range(len(DAYS))} == set(DAYS)
    assert len({day.name for day in DAYS}) == len(DAYS)


def test_what_depends_on_the_day_is_there() -> None:
    assert [name for name in TESTS if not (ROOT / name.partition("::")[0]).exists()] == []
