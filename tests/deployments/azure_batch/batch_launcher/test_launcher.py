"""The launcher as a process: what it becomes, its signals and exit codes."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import batch_launcher.launcher
from batch_launcher.exit_codes import ExitCode
from tests.deployments.azure_batch.batch_launcher.launched import PATH, launch, start

RUN = {"PREFECT__FLOW_RUN_ID": "0b6bdfb4-5c8c-4d5a-8c0b-6f3a0d1d2c3e"}


def test_it_becomes_the_command() -> None:
    with start(sys.executable, "-c", "import os; print(os.getpid())") as process:
        output, _ = process.communicate(timeout=60)

    assert int(output) == process.pid


def test_arguments_reach_the_command_as_they_are() -> None:
    done = launch(sys.executable, "-c", "import sys; print(sys.argv[1:])", "a b", "$HOME", "", "--help")

    assert done.stdout == "['a b', '$HOME', '', '--help']\n"


def test_the_commands_own_programs_come_first_whatever_path_comes_from_the_node() -> None:
    with start("python", "-c", "import sys; print(sys.executable)", PATH="/usr/bin:/bin") as process:
        output, _ = process.communicate(timeout=60)

    assert output == f"{Path(sys.executable).parent}/python\n"


@pytest.mark.parametrize("own", ["", "/own"])
def test_temporary_files_are_in_the_tasks_folder_unless_the_user_says_where(own: str, tmp_path: Path) -> None:
    done = launch("sh", "-c", "echo $TMPDIR", AZ_BATCH_TASK_WORKING_DIR=str(tmp_path), TMPDIR=own)

    assert done.stdout == f"{own or tmp_path / 'tmp'}\n"
    assert own or (tmp_path / "tmp").is_dir()


def test_a_folder_of_the_task_that_is_not_there_leaves_temporary_files_where_they_are() -> None:
    assert launch("sh", "-c", "echo $TMPDIR", AZ_BATCH_TASK_WORKING_DIR="/no/such").stdout == "\n"


@pytest.mark.parametrize("code", [0, 1, 42])
def test_the_exit_code_is_the_commands(code: int) -> None:
    assert launch("sh", "-c", f"exit {code}").returncode == code


@pytest.mark.parametrize("code", [0, 3, 255])
def test_on_windows_it_waits_for_the_command_and_ends_with_its_exit_code(
    code: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As far as another system shows it: by the platform's name alone."""
    said = f"import os, sys; print(os.environ['GIVEN'], os.getppid()); sys.exit({code})"
    monkeypatch.setattr(sys, "argv", ["batch-launcher", sys.executable, "-c", said])
    monkeypatch.setenv("GIVEN", "a b")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(sys, "platform", "win32")
    try:
        with pytest.raises(SystemExit) as ended:
            batch_launcher.launcher.main()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    assert ended.value.code == code
    assert capfd.readouterr().out == f"a b {os.getpid()}\n"


def test_a_signal_reaches_the_command() -> None:
    said = "import signal, sys; signal.signal(15, lambda *_: sys.exit(7)); print('up', flush=True); signal.pause()"
    with start(sys.executable, "-c", said) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait(timeout=30) == 7


def test_a_command_without_a_handler_ends_by_the_signal() -> None:
    """The launcher's own handlers are not handed on."""
    with start("sh", "-c", "echo up; exec sleep 60") as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait(timeout=30) == -signal.SIGTERM


def test_a_signal_before_the_command_ends_the_launcher() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        with start("echo", "executed", **RUN, PREFECT_API_URL=api) as process:
            silent.accept()[0].settimeout(30)
            process.terminate()
            output, errors = process.communicate(timeout=30)

    assert (process.returncode, output) == (128 + signal.SIGTERM, "")
    assert "SIGTERM before the command was started" in errors


def test_a_command_that_is_not_there_is_named() -> None:
    done = launch("no-such-command", "--token=s3cr3t")

    assert done.returncode == ExitCode.NOT_FOUND
    assert "no command no-such-command" in done.stderr
    assert "s3cr3t" not in done.stderr


def test_a_command_that_cannot_be_executed_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    done = launch(str(tmp_path / "text"))

    assert done.returncode == ExitCode.NOT_EXECUTABLE
    assert "Permission denied" in done.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "PREFECT_API_URL is ''"),
        ({"PREFECT_API_URL": "prefect.example/api"}, "PREFECT_API_URL is 'prefect.example/api'"),
        ({"PREFECT__FLOW_RUN_ID": "later"}, "PREFECT__FLOW_RUN_ID is not the id"),
        ({"AZURE_BATCH_ON_REQUEUE": "maybe"}, "AZURE_BATCH_ON_REQUEUE is 'maybe'. Set it to rerun, crash, always"),
        ({"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "often"}, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY is 'often'"),
        ({"PREFECT_RUNNER_HEARTBEAT_FREQUENCY": "often"}, "PREFECT_RUNNER_HEARTBEAT_FREQUENCY is 'often'"),
        ({"AZURE_BATCH_API_PATIENCE": "-1"}, "AZURE_BATCH_API_PATIENCE is '-1'"),
        ({"PREFECT_API_URL": "http://127.0.0.1:1", "PREFECT_CLIENT_CUSTOM_HEADERS": "[1]"}, "CUSTOM_HEADERS"),
        ({"PREFECT_API_URL": "http://127.0.0.1:1", "PREFECT_API_SSL_CERT_FILE": "/none"}, "PREFECT_API_SSL_CERT_FILE"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(wrong: dict[str, str], said: str) -> None:
    done = launch("echo", "executed", **RUN | wrong)

    assert (done.returncode, done.stdout) == (ExitCode.CONFIGURATION, "")
    assert said in done.stderr


def test_the_table_of_exit_codes_is_complete() -> None:
    table = re.findall(r"^ {4}(\d+) ", batch_launcher.launcher.__doc__ or "", re.MULTILINE)

    assert sorted(int(code) for code in table) == sorted(ExitCode)


def test_what_a_command_does_not_need_is_not_imported_before_it() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "batch_launcher", "true"]
    done = subprocess.run(command, env={"PATH": PATH}, capture_output=True, text=True, check=True, timeout=60)

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "batch_launcher.exit_codes" in imported
    assert not {name.partition(".")[0] for name in imported} & {"prefect", "azure", "httpx", "polars", "pydantic"}
