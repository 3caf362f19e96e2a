"""Processes as /proc and ps tell them: the same ones."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from azure_batch_emulator.execution import process_table
from azure_batch_emulator.execution.process_table import Running, others
from azure_batch_emulator.execution.processes import Command, end_leftovers, run_process
from tests.deadline import until


@pytest.fixture(params=["proc", "ps"], autouse=True)
def table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("the emulator starts no processes on Windows")
    if request.param == "proc" and sys.platform != "linux":
        pytest.skip("only Linux has /proc")
    if request.param == "ps":
        if not shutil.which("ps"):
            pytest.skip("there is no ps here; a Mac has one")
        monkeypatch.setattr(process_table, "_PROC", tmp_path / "no-proc")


@pytest.fixture
def child(tmp_path: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A process of a group of its own, with a space in its environment."""
    environment = {"HERE": f"{tmp_path}/a b", "OTHER": "x"}
    with subprocess.Popen(["/bin/sleep", "300"], env=environment, start_new_session=True) as process:
        until(lambda: any(other.pid == process.pid and other.has("OTHER=x") for other in others()), 30)
        yield process
        process.kill()


def found(pid: int) -> Running:
    (process,) = (process for process in others() if process.pid == pid)
    return process


def test_a_process_is_known_by_its_group_and_environment(child: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    process = found(child.pid)
    assert child.pid in process.groups
    assert process.has(f"HERE={tmp_path}/a b")
    assert not process.has(f"HERE={tmp_path}/a")
    assert process.has(f"HERE={tmp_path}/", whole=False)
    assert not process.has(f"ERE={tmp_path}/", whole=False)


def test_neither_this_process_nor_a_dead_one_is_told(child: "subprocess.Popen[bytes]") -> None:
    child.kill()
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE, 30)

    pids = {process.pid for process in others()}
    assert os.getpid() not in pids
    assert child.pid not in pids


def test_what_a_task_leaves_is_ended(tmp_path: Path) -> None:
    """In a session of its own, too: it kept the environment."""
    (tmp_path / "wd").mkdir()
    pid = tmp_path / "pid"
    daemon = "import os, sys, time; os.setsid(); open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(300)"
    script = f'{sys.executable} -c "{daemon}" {pid} & while [ ! -s {pid} ]; do :; done'
    environment = {"AZ_BATCH_TASK_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    command = Command(["/bin/sh", "-c", script], environment, tmp_path)
    assert asyncio.run(run_process(command, lambda: None)) == 0

    assert int(pid.read_text(encoding="utf-8")) not in {process.pid for process in others()}


def test_what_an_emulator_left_is_ended(tmp_path: Path) -> None:
    root = tmp_path / "nodes"
    environment = {"AZ_BATCH_NODE_ROOT_DIR": f"{root}/pools/p1/n1"}
    with subprocess.Popen(["/bin/sleep", "300"], env=environment) as left:
        until(lambda: end_leftovers(root) == 1, 30)
        assert left.wait(10) < 0
