"""Child processes: how they are started, watched and stopped, and what is told of one that ends."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deployments.local.programs import Program, Programs, StackError
from tests.deadline import until


def shell(script: str, *, seconds_to_start: float = 30, ready: bool = True) -> Program:
    return Program("A program", ["/bin/sh", "-c", script], lambda: ready, seconds_to_start=seconds_to_start)


def ended(programs: Programs) -> bool:
    try:
        programs.check()
    except StackError:
        return True
    return False


def test_one_that_ends_is_named_with_what_it_said(tmp_path: Path) -> None:
    with Programs(tmp_path) as programs:
        program = shell("echo 'no room' >&2; exit 3", ready=False)
        programs.start(program)
        with pytest.raises(StackError, match=r"(?s)A program has ended with 3\..*no room.*a-program\.log"):
            programs.await_answer(program)


def test_one_that_never_answers_is_named(tmp_path: Path) -> None:
    with Programs(tmp_path) as programs:
        program = shell("sleep 600", seconds_to_start=0.3, ready=False)
        programs.start(program)
        with pytest.raises(StackError, match="A program did not answer within 0 s"):
            programs.await_answer(program)


def test_what_one_logs_as_an_error_is_told_with_its_log(tmp_path: Path) -> None:
    with Programs(tmp_path) as programs:
        programs.start(shell("echo 'ERROR: no room'; echo 'INFO: goes on'; sleep 600"))
        told = until(lambda: list(programs.complaints()), 30)
        assert told == [f"A program: ERROR: no room\n    More in {tmp_path}/a-program.log"]
        assert list(programs.complaints()) == []


def test_what_fails_because_one_has_ended_is_told_so(tmp_path: Path) -> None:
    with Programs(tmp_path) as programs:
        programs.start(shell("exit 3"))
        until(lambda: ended(programs), 30)
        with pytest.raises(StackError, match="A program has ended with 3"), programs.to_blame():
            raise ConnectionError("nobody answers")


def test_what_fails_while_all_run_is_told_as_it_is(tmp_path: Path) -> None:
    with Programs(tmp_path) as programs:
        programs.start(shell("sleep 600"))
        with pytest.raises(ConnectionError, match="nobody answers"), programs.to_blame():
            raise ConnectionError("nobody answers")


def test_children_of_a_child_are_stopped_too(tmp_path: Path) -> None:
    with Programs(tmp_path) as programs:
        programs.start(shell(f"sleep 600 & echo $! > {tmp_path}/pid; wait"))
        pid = int(until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 30))
        assert psutil.pid_exists(pid)
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 30)


_STACK = """
import sys, time
from pathlib import Path
from deployments.local.programs import Program, Programs
with Programs(Path(sys.argv[1])) as programs:
    programs.start(Program("A program", ["/bin/sh", "-c", "sleep 600 & echo $!; wait"], None))
    print("started", flush=True)
    time.sleep(600)
"""


def test_children_of_a_stack_that_is_killed_end_too(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _STACK, str(tmp_path)], stdout=subprocess.PIPE) as stack:
        assert stack.stdout
        assert stack.stdout.readline() == b"started\n"
        log = tmp_path / "a-program.log"
        pid = int(until(lambda: log.read_text(encoding="utf-8"), 30))
        children = psutil.Process(stack.pid).children(recursive=True)
        assert pid in {child.pid for child in children}
        stack.kill()

    _, alive = psutil.wait_procs(children, timeout=30)
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []


def test_the_log_is_that_of_this_start(tmp_path: Path) -> None:
    for word in ("first", "second"):
        with Programs(tmp_path) as programs:
            programs.start(shell(f"echo {word}"))
            until(lambda: ended(programs), 30)
    assert (tmp_path / "a-program.log").read_text() == "second\n"
