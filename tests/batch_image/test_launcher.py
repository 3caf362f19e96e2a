"""The launcher as a process: what it becomes, its signals and exit codes."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import batch_image.launcher
from batch_image.refusal import Exit
from tests.batch_image.launched import PATH, launch, start

RUN = {"PREFECT__FLOW_RUN_ID": "0b6bdfb4-5c8c-4d5a-8c0b-6f3a0d1d2c3e"}


def test_it_becomes_the_command() -> None:
    with start(sys.executable, "-c", "import os; print(os.getpid())") as process:
        output, _ = process.communicate(timeout=60)

    assert int(output) == process.pid


def test_arguments_reach_the_command_as_they_are() -> None:
    done = launch(sys.executable, "-c", "import sys; print(sys.argv[1:])", "a b", "$HOME", "", "--help")

    assert done.stdout == "['a b', '$HOME', '', '--help']\n"


@pytest.mark.parametrize("code", [0, 1, 42])
def test_the_exit_code_is_the_commands(code: int) -> None:
    assert launch("sh", "-c", f"exit {code}").returncode == code


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

    assert done.returncode == Exit.NOT_FOUND
    assert "no command no-such-command" in done.stderr
    assert "s3cr3t" not in done.stderr


def test_a_command_that_cannot_be_executed_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    done = launch(str(tmp_path / "text"))

    assert done.returncode == Exit.NOT_EXECUTABLE
    assert "Permission denied" in done.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "PREFECT_API_URL is ''"),
        ({"PREFECT_API_URL": "prefect.example/api"}, "PREFECT_API_URL is 'prefect.example/api'"),
        ({"PREFECT__FLOW_RUN_ID": "later"}, "PREFECT__FLOW_RUN_ID is not the id"),
        ({"AZURE_BATCH_ON_REQUEUE": "maybe"}, "AZURE_BATCH_ON_REQUEUE is 'maybe'. Set it to rerun, crash, always"),
        ({"PREFECT_RUNNER_HEARTBEAT_FREQUENCY": "often"}, "PREFECT_RUNNER_HEARTBEAT_FREQUENCY is 'often'"),
        ({"AZURE_BATCH_API_PATIENCE": "-1"}, "AZURE_BATCH_API_PATIENCE is '-1'"),
        ({"PREFECT_API_URL": "http://127.0.0.1:1", "PREFECT_CLIENT_CUSTOM_HEADERS": "[1]"}, "CUSTOM_HEADERS"),
        ({"PREFECT_API_URL": "http://127.0.0.1:1", "PREFECT_API_SSL_CERT_FILE": "/none"}, "PREFECT_API_SSL_CERT_FILE"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(wrong: dict[str, str], said: str) -> None:
    done = launch("echo", "executed", **RUN | wrong)

    assert (done.returncode, done.stdout) == (Exit.CONFIGURATION, "")
    assert said in done.stderr


def test_the_table_of_exit_codes_is_complete() -> None:
    table = re.findall(r"^ {4}(\d+) ", batch_image.launcher.__doc__ or "", re.MULTILINE)

    assert sorted(int(code) for code in table) == sorted(Exit)


def test_what_a_command_does_not_need_is_not_imported_before_it() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "batch_image.launcher", "true"]
    done = subprocess.run(command, env={"PATH": PATH}, capture_output=True, text=True, check=True, timeout=60)

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "batch_image.refusal" in imported
    assert not {name.partition(".")[0] for name in imported} & {"prefect", "azure", "httpx", "polars", "pydantic"}
