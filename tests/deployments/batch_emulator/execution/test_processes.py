"""Tasks as processes: their environment and files, how they end, and that nothing of them is left."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from azure_batch_emulator.control.clock import Clock
from azure_batch_emulator.execution.executor import Outcome
from azure_batch_emulator.execution.executor_choice import make_executor
from azure_batch_emulator.execution.node import NodeExecutor
from azure_batch_emulator.execution.processes import end_leftovers
from azure_batch_emulator.execution.simulated import SimulatedExecutor
from tests.days.__main__ import clock
from tests.days.days_and_tests import DAYS
from tests.deployments.batch_emulator.execution.launches import (
    ACCOUNT,
    alive,
    cancel_when,
    launch_in,
    run,
    stderr,
    stdout,
    until,
)

PROCESSES = NodeExecutor(ACCOUNT, grace=0.5)

# Leaves its session and its parents, as daemons do, and writes its id.
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(300)
    os._exit(0)
os.wait()
"""


def test_output_goes_to_the_files_of_the_task(tmp_path: Path) -> None:
    launch = launch_in(tmp_path / "node", "/bin/sh -c 'echo out; echo err >&2; echo made > here.txt'")
    assert run(PROCESSES, launch) == Outcome(0)
    assert (stdout(launch), stderr(launch)) == ("out\n", "err\n")
    assert (launch.directory / "wd" / "here.txt").read_text() == "made\n"


def test_the_command_line_is_no_shell(tmp_path: Path) -> None:
    launch = launch_in(tmp_path / "node", """/bin/echo $HOME "two words" '$PATH' > file""")
    assert run(PROCESSES, launch).exit_code == 0
    assert stdout(launch) == "$HOME two words $PATH > file\n"


def test_the_environment_is_the_agents_and_the_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_DEVELOPER", "x")
    launch = launch_in(tmp_path / "node", "/usr/bin/env", environment={"MINE": "1", "AZ_BATCH_POOL_ID": "forged"})
    assert run(PROCESSES, launch).exit_code == 0
    seen = dict(line.split("=", 1) for line in stdout(launch).splitlines())
    task, root = str(launch.directory), str(tmp_path / "node")
    expected = {
        "MINE": "1",
        "HOME": f"{task}/wd",
        "AZ_BATCH_ACCOUNT_NAME": "etlbatch",
        "AZ_BATCH_ACCOUNT_URL": "http://127.0.0.1:9999/",
        "AZ_BATCH_JOB_ID": "j1",
        "AZ_BATCH_TASK_ID": "t1",
        "AZ_BATCH_POOL_ID": "p1",
        "AZ_BATCH_NODE_ID": "tvmps_0123_d",
        "AZ_BATCH_NODE_IS_DEDICATED": "true",
        "AZ_BATCH_NODE_ROOT_DIR": root,
        "AZ_BATCH_NODE_SHARED_DIR": f"{root}/shared",
        "AZ_BATCH_NODE_STARTUP_DIR": f"{root}/startup",
        "AZ_BATCH_NODE_MOUNTS_DIR": f"{root}/fsmounts",
        "AZ_BATCH_TASK_DIR": task,
        "AZ_BATCH_TASK_WORKING_DIR": f"{task}/wd",
        "AZ_BATCH_JOB_PREP_DIR": f"{root}/workitems/j1/job-1/jobpreparation",
        "AZ_BATCH_JOB_PREP_WORKING_DIR": f"{root}/workitems/j1/job-1/jobpreparation/wd",
        "AZ_BATCH_CERTIFICATES_DIR": f"{task}/certs",
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert int(seen["AZ_BATCH_TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES"]) > 0
    assert "SECRET_OF_THE_DEVELOPER" not in seen


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone lets a program's clock be moved from outside")
def test_a_node_has_the_clock_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", str(clock(DAYS[-1], tmp_path)))
    launch = launch_in(tmp_path / "node", "/bin/date -u +%F")
    assert run(PROCESSES, launch).exit_code == 0
    assert stdout(launch).strip() == DAYS[-1].name


def test_a_start_task_belongs_to_no_job(tmp_path: Path) -> None:
    node = tmp_path / "node"
    launch = launch_in(node, "/usr/bin/env", kind="start", job_id="", task_id="startup", directory=node / "startup")
    assert run(PROCESSES, launch).exit_code == 0
    assert "AZ_BATCH_NODE_STARTUP_DIR=" in stdout(launch)
    assert "AZ_BATCH_JOB_ID" not in stdout(launch)
    assert (node / "shared").is_dir()


def test_python_is_the_one_that_runs_the_emulator(tmp_path: Path) -> None:
    launch = launch_in(tmp_path / "node", "python -c 'import sys; sys.stdout.write(sys.prefix)'")
    assert run(PROCESSES, launch).exit_code == 0
    assert stdout(launch) == sys.prefix


@pytest.mark.parametrize(("command", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_exit_codes(tmp_path: Path, command: str, code: int) -> None:
    assert run(PROCESSES, launch_in(tmp_path / "node", f"/bin/sh -c '{command}'")) == Outcome(code)


def test_a_program_in_the_working_directory_is_found_from_there(tmp_path: Path) -> None:
    launch = launch_in(tmp_path / "node", "./tool")
    (launch.directory / "wd").mkdir(parents=True)
    (launch.directory / "wd" / "tool").write_text("#!/bin/sh\necho found\n")
    (launch.directory / "wd" / "tool").chmod(0o755)
    assert run(PROCESSES, launch).exit_code == 0
    assert stdout(launch) == "found\n"


@pytest.mark.parametrize(
    ("command_line", "code"),
    [
        ("no-such-program --option", "CommandProgramNotFound"),
        ("/no/such/program", "CommandProgramNotFound"),
        ("/etc/passwd", "CommandLaunchFailed"),
        ("/bin/sh -c 'unclosed", "CommandLaunchFailed"),
        ("", "CommandLaunchFailed"),
    ],
)
def test_what_cannot_be_started_is_told_as_by_the_service(tmp_path: Path, command_line: str, code: str) -> None:
    started: list[bool] = []
    launch = launch_in(tmp_path / "node", command_line)
    outcome = asyncio.run(PROCESSES.run(launch, lambda: started.append(True)))
    assert outcome.exit_code is None
    assert outcome.failure is not None
    assert (outcome.failure["category"], outcome.failure["code"]) == ("UserError", code)
    assert not started


def test_output_grows_while_the_task_runs(tmp_path: Path) -> None:
    launch = launch_in(tmp_path / "node", "/bin/sh -c 'echo one; until [ -e go ]; do sleep 0.02; done; echo two'")

    async def watch() -> None:
        running = asyncio.ensure_future(PROCESSES.run(launch, lambda: None))
        await until(lambda: (launch.directory / "stdout.txt").exists() and stdout(launch) == "one\n")
        (launch.directory / "wd" / "go").touch()
        assert (await running).exit_code == 0

    asyncio.run(watch())
    assert stdout(launch) == "one\ntwo\n"


def test_a_second_attempt_begins_with_empty_files(tmp_path: Path) -> None:
    node = tmp_path / "node"
    run(PROCESSES, launch_in(node, "/bin/echo first"))
    launch = launch_in(node, "/bin/sh -c 'exit 1'")
    run(PROCESSES, launch)
    assert stdout(launch) == ""


def test_what_a_task_leaves_behind_is_ended_with_it(tmp_path: Path) -> None:
    launch = launch_in(tmp_path / "node", "/bin/sh -c 'sleep 300 & echo $!'")
    assert run(PROCESSES, launch).exit_code == 0
    assert not alive(int(stdout(launch)))


def test_a_daemon_is_ended_with_its_task(tmp_path: Path) -> None:
    script, pid = tmp_path / "daemon.py", tmp_path / "pid"
    script.write_text(DAEMON)
    launch = launch_in(
        tmp_path / "node", f"/bin/sh -c 'python {script} {pid}; until [ -s {pid} ]; do sleep 0.01; done'"
    )
    assert run(PROCESSES, launch).exit_code == 0
    assert not alive(int(pid.read_text()))


def test_a_cancelled_task_may_end_in_its_own_way(tmp_path: Path) -> None:
    executor = NodeExecutor(ACCOUNT, grace=20)
    launch = launch_in(
        tmp_path / "node", "/bin/sh -c 'trap \"echo saved; exit 0\" TERM; echo up; while :; do sleep 0.02; done'"
    )
    begun = time.monotonic()
    asyncio.run(cancel_when(executor, launch, lambda: (launch.directory / "stdout.txt").exists() and stdout(launch)))
    assert stdout(launch) == "up\nsaved\n"
    assert time.monotonic() - begun < 15  # it did not wait for the whole grace


def test_a_cancelled_task_that_will_not_end_is_killed_with_all_its_children(tmp_path: Path) -> None:
    script, pid = tmp_path / "daemon.py", tmp_path / "pid"
    script.write_text(DAEMON)
    stubborn = f"trap : TERM; python {script} {pid}; echo $$; while :; do sleep 0.1; done"
    launch = launch_in(tmp_path / "node", f"/bin/sh -c '{stubborn}'")
    asyncio.run(
        cancel_when(
            PROCESSES,
            launch,
            lambda: (launch.directory / "stdout.txt").exists() and stdout(launch) and pid.exists() and pid.read_text(),
        )
    )
    assert not alive(int(stdout(launch)))
    assert not alive(int(pid.read_text()))


def test_another_task_of_the_node_is_left_alone(tmp_path: Path) -> None:
    node = tmp_path / "node"
    long = launch_in(
        node, "/bin/sh -c 'until [ -e go ]; do sleep 0.02; done'", directory=node / "workitems/j1/job-1/t10"
    )

    async def both() -> Outcome:
        running = asyncio.ensure_future(PROCESSES.run(long, lambda: None))
        await until((long.directory / "wd").exists)
        assert (await PROCESSES.run(launch_in(node, "/bin/true"), lambda: None)).exit_code == 0
        (long.directory / "wd" / "go").touch()
        return await running

    assert asyncio.run(both()) == Outcome(0)


def test_what_an_emulator_that_was_killed_left_is_ended_by_the_next(tmp_path: Path) -> None:
    """And nothing that belongs to another one, whose folder has a name that begins alike."""
    kept, left = (
        subprocess.Popen(["/bin/sleep", "300"], env={"AZ_BATCH_NODE_ROOT_DIR": f"{tmp_path}/{folder}/pools/p1/n1"})
        for folder in ("nodes2", "nodes")
    )
    with kept, left:
        assert end_leftovers(tmp_path / "nodes") == 1
        assert left.wait(10) == -9  # by KILL
        assert kept.poll() is None
        kept.kill()


CONTAINER = {"imageName": "registry.invalid/etl:1"}


def test_without_a_tool_a_container_task_is_refused(tmp_path: Path) -> None:
    outcome = run(PROCESSES, launch_in(tmp_path / "node", "/bin/true", container_settings=CONTAINER))
    assert outcome.failure is not None
    assert outcome.failure["code"] == "ContainerInvalidSettings"
    assert "registry.invalid/etl:1" in outcome.failure["details"][0]["value"]


def test_processes_run_container_tasks_and_say_that_there_was_no_container(tmp_path: Path) -> None:
    executor = make_executor("processes", ACCOUNT, Clock(), seed=0, storage_keys={}, auto_storage=None)
    launch = launch_in(tmp_path / "node", "/bin/echo here", container_settings=CONTAINER)
    outcome = run(executor, launch)
    assert outcome.exit_code == 0
    assert outcome.container_info is not None
    assert "without the image registry.invalid/etl:1" in outcome.container_info["error"]
    assert stdout(launch) == "here\n"


def test_a_tool_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ValueError, match="podman is not installed"):
        make_executor("podman", ACCOUNT, Clock(), seed=0, storage_keys={}, auto_storage=None)


async def simulate(tmp_path: Path, command_line: str, seed: int = 0, **more: object) -> tuple[Outcome, float, float]:
    """With the emulated seconds before it ran, and until it ended."""
    clock = Clock(speed=0)
    begun = clock.now()
    started: list[float] = []
    launch = launch_in(tmp_path / "node", command_line, **more)
    running = asyncio.ensure_future(
        SimulatedExecutor(clock, seed).run(launch, lambda: started.append((clock.now() - begun).total_seconds()))
    )
    for _ in range(2000):
        await clock.advance(0.5)
        if running.done():
            break
    return running.result(), started[0] if started else -1, (clock.now() - begun).total_seconds()


def test_a_simulated_task_takes_emulated_time(tmp_path: Path) -> None:
    command = "/bin/sh -c \"simulate --prepare-seconds 5 --seconds 30 --exit-code 9 --stderr 'out of memory'\""
    outcome, started, ended = asyncio.run(simulate(tmp_path, command))
    assert outcome == Outcome(9)
    assert started == pytest.approx(5, abs=0.6)
    assert ended == pytest.approx(35, abs=0.6)
    assert stderr(launch_in(tmp_path / "node", "")) == "out of memory\n"


def test_the_environment_may_say_what_is_simulated(tmp_path: Path) -> None:
    settings = {"EMULATOR_SIMULATE_SECONDS": "12", "EMULATOR_SIMULATE_EXIT_CODE": "137"}
    outcome, _, ended = asyncio.run(simulate(tmp_path, "python -m flow", environment=settings))
    assert outcome.exit_code == 137
    assert ended == pytest.approx(12, abs=0.6)


def test_simulated_durations_repeat_with_the_seed(tmp_path: Path) -> None:
    durations = {seed: asyncio.run(simulate(tmp_path, "python -m flow", seed))[2] for seed in (1, 2)}
    assert asyncio.run(simulate(tmp_path, "python -m flow", 1))[2] == pytest.approx(durations[1], abs=0.6)
    assert abs(durations[1] - durations[2]) > 0.6
    assert all(2 <= seconds <= 601 for seconds in durations.values())


def test_a_simulation_that_cannot_be_read_fails_to_launch(tmp_path: Path) -> None:
    outcome, _, _ = asyncio.run(simulate(tmp_path, "simulate --seconds long"))
    assert outcome.failure is not None
    assert outcome.failure["code"] == "CommandLaunchFailed"


def test_a_simulated_container_task_has_a_container(tmp_path: Path) -> None:
    outcome, _, _ = asyncio.run(simulate(tmp_path, "simulate --seconds 1", container_settings=CONTAINER))
    assert outcome.container_info is not None
    assert outcome.container_info["state"] == "exited"


@pytest.mark.parametrize(
    ("command_line", "output"),
    [
        ('cmd /c "echo hello world"', "hello world\n"),
        ("cmd.exe /C echo %AZ_BATCH_TASK_ID%", "t1\n"),
        ("CMD /s /c \"echo one && echo 'two'\"", "one\ntwo\n"),
    ],
)
def test_simple_commands_of_windows_run_in_the_shell_of_this_machine(
    tmp_path: Path, command_line: str, output: str
) -> None:
    launch = launch_in(tmp_path / "node", command_line, windows=True)
    assert run(PROCESSES, launch) == Outcome(0)
    assert (stdout(launch), stderr(launch)) == (output, "")


def test_a_windows_command_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    assert run(PROCESSES, launch_in(tmp_path / "node", "cmd /c exit 3", windows=True)).exit_code == 3


@pytest.mark.parametrize(("command_line", "system"), [("powershell -c ls", "windows"), ("cmd /c echo", "linux")])
def test_programs_that_the_machine_does_not_have_are_not_found(tmp_path: Path, command_line: str, system: str) -> None:
    failure = run(PROCESSES, launch_in(tmp_path / "node", command_line, windows=system == "windows")).failure
    assert failure is not None
    assert failure["code"] == "CommandProgramNotFound"
