"""From `prefect worker start` to the end of a flow run: real flows as processes on the emulator's nodes."""

import shlex
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import AwaitingRetry, Crashed, Pending

from azure_batch_emulator.running_emulator import running_emulator
from batch_launcher.exit_codes import ExitCode
from prefect_azure_batch.service.identifiers import Infrastructure
from tests.deployments.azure_batch.stage import PATIENCE, Stage, create_pool, make_stage, tasks_of
from tests.servers.azurite import Azurite, azurite

__all__ = ["azurite"]

SPEED = 20
NOWHERE: dict[str, object] = {"prefect.deployments.steps.git_clone": {"repository": "file:///no-such-repository.git"}}
LAUNCHER = f"{shlex.quote(sys.executable)} -m batch_launcher"
BUILDAH = shutil.which("buildah") is not None


@pytest.fixture(scope="module")
def emulator():
    with running_emulator(speed=SPEED, executor="buildah" if BUILDAH else "processes") as running:
        create_pool(running)
        create_pool(running, "lone", nodes=1)
        create_pool(running, "spot", nodes=0, spot=3)
        create_pool(running, "containers", containers=True)
        create_pool(running, "empty", nodes=0)
        yield running


@pytest.fixture(scope="module")
def stage(prefect_api, emulator):
    made = make_stage(prefect_api, emulator)
    with made.worker():
        yield made


@pytest.fixture(scope="module")
def started(stage: Stage, azurite: Azurite) -> dict[str, UUID]:
    """All at once, for each takes its seconds to start."""
    lost = f"{azurite.account().url}/no-such-container"
    return {
        "hello": stage.start(stage.deploy("hello"), name="node"),
        "failing": stage.start(stage.deploy("failing")),
        "killed": stage.start(stage.deploy("killed")),
        "vanishing": stage.start(stage.deploy("vanishing")),
        "not pulled": stage.start(stage.deploy("hello", pull=NOWHERE)),
        "slow": stage.start(stage.deploy("long", wall_clock_limit=20 * SPEED)),
        "printing": stage.start(stage.deploy("printing", stream_output=True)),
        "command": stage.start(stage.deploy("hello", launcher="no-such-program", command="--at all")),
        "no pool": stage.start(stage.deploy("hello", pool_id="no-such-pool")),
        "too wide": stage.start(stage.deploy("hello", required_slots=99)),
        "upload": stage.start(stage.deploy("hello", uploads=[{"container_url": lost}])),
        "bad value": stage.start(stage.deploy("hello", memory="4g")),
    }


def logged(stage: Stage, run: UUID, words: str) -> list[str]:
    """The run's logs, once the words are in one: logs come in after the state."""
    deadline = time.monotonic() + 20
    while not any(words in line for line in stage.logs(run)):
        assert time.monotonic() < deadline, stage.logs(run)
        time.sleep(0.1)  # polled, with a deadline
    return stage.logs(run)


def message(run: FlowRun) -> str:
    return (run.state and run.state.message) or ""


def test_a_flow_run_completes_with_its_logs(stage, started):
    found = stage.ended(started["hello"])
    assert found.state.name == "Completed", stage.states(found.id)
    logged(stage, found.id, "Hello, node!")
    logged(stage, found.id, "Running on node tvm")
    assert found.infrastructure_pid.startswith("azurebatch://127.0.0.1:")


def test_a_flow_that_fails_is_failed_not_crashed(stage, started):
    found = stage.ended(started["failing"])
    assert found.state.name == "Failed"
    assert "the rows do not add up" in message(found)


def test_a_killed_run_is_crashed_with_the_reason(stage, started):
    found = stage.ended(started["killed"])
    assert found.state.name == "Crashed"
    assert "exit code 137" in message(found)
    assert "lack of memory" in message(found)
    logged(stage, found.id, "exit code 137")


@pytest.mark.parametrize(
    ("name", "words"), [("vanishing", "the licence server has gone"), ("not pulled", "no-such-repository")]
)
def test_what_a_process_said_last_is_told_whoever_set_the_state(stage, started, name, words):
    found = stage.ended(started[name])
    assert found.state.name == "Crashed"
    if words not in message(found):
        logged(stage, found.id, words)


def test_a_run_beyond_its_time_limit_is_crashed_with_the_reason(stage, started):
    found = stage.ended(started["slow"])
    assert found.state.name == "Crashed"
    assert f"time limit of {20 * SPEED} seconds" in message(found)


def test_a_wrong_command_is_told_in_the_service_s_words(stage, started):
    found = stage.ended(started["command"])
    assert found.state.name == "Crashed"
    assert "CommandProgramNotFound" in message(found)
    assert "no-such-program" in message(found)


def test_an_upload_that_failed_is_told(stage, started):
    assert stage.ended(started["upload"]).state.is_completed()
    assert any("FileUpload" in line for line in logged(stage, started["upload"], "Check"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no pool", "the account has no pool"),
        ("too wide", "required_slots: 99 are asked for"),
        ("bad value", "which needs image"),
    ],
)
def test_what_can_never_run_is_refused_at_once(stage, started, name, words):
    found = stage.ended(started[name])
    assert found.state.name == "Crashed"
    assert words in message(found)
    assert found.infrastructure_pid is None


def test_a_value_out_of_bounds_is_refused_by_the_prefect_server(stage):
    with pytest.raises(PrefectHTTPStatusError, match="priority"):
        stage.deploy("hello", priority=5000)


def test_what_a_task_prints_is_in_the_logs(stage, started):
    found = stage.ended(started["printing"])
    logs = logged(stage, found.id, "line 2 of the output")
    assert sum("line 0 of the output" in line for line in logs) == 1


@pytest.mark.skipif(not BUILDAH, reason="no container tool is installed")
def test_a_wrong_image_is_told_in_the_service_s_words(stage):
    run = stage.start(stage.deploy("hello", pool_id="containers", image="localhost:1/no-such-image:1"))
    found = stage.ended(run)
    assert found.state.name == "Crashed"
    assert "no-such-image" in message(found)
    assert "image" in message(found)


def test_a_run_that_waits_says_why_and_is_cancelled_within_a_poll(stage):
    run = stage.start(stage.deploy("hello", pool_id="empty"))
    waiting = stage.until(run, lambda found: found.state.name == "InfrastructurePending")
    assert "pool empty: it has no node" in message(waiting)
    stage.cancel(run)
    begin = time.monotonic()
    found = stage.ended(run)
    assert found.state.name == "Cancelled"
    assert time.monotonic() - begin < 5  # polls are 0.3 to 0.6 s apart; the server's own timeout is 300 s
    assert _task(stage, found).state == "completed"


def test_a_running_flow_is_cancelled_by_itself(stage):
    run = stage.start(stage.deploy("long"))
    stage.until(run, lambda found: found.state.name == "Running")
    stage.cancel(run)
    found = stage.ended(run)
    assert found.state.name == "Cancelled"
    _until_completed(stage, found)


def test_a_flow_that_does_not_end_is_terminated_after_its_grace(stage):
    run = stage.start(stage.deploy("stubborn", cancel_grace=2))
    stage.until(run, lambda found: found.state.name == "Running")
    stage.cancel(run)
    found = stage.ended(run)
    assert found.state.name == "Cancelled"
    assert "terminated" in message(found)
    assert _until_completed(stage, found).execution_info.failure_info.code == "TaskEnded"


def test_a_run_that_is_preempted_twice_completes(stage, tmp_path):
    marker = tmp_path / "executions"
    run = stage.start(stage.deploy("long", pool_id="spot"), seconds=8, marker=str(marker))
    for executions in (1, 2):
        _until(partial(_has_lines, marker, executions))
        node = _task(stage, stage.read(run)).node_info.node_id
        stage.emulator.admin(f"nodes/spot/{node}/preempt", method="POST")
    found = stage.ended(run, 2 * PATIENCE)
    assert found.state.name == "Completed", stage.states(run)
    assert len(marker.read_text().split()) == 3
    assert sum("requeued by Azure Batch" in line for line in logged(stage, run, "requeued")) == 2


def test_a_task_whose_node_comes_back_leaves_a_run_that_was_handed_out_again(prefect_api, emulator, tmp_path):
    """No worker is there to end the task: what it executes says its launcher alone."""
    stage, marker = make_stage(prefect_api, emulator, "lone", launcher=LAUNCHER), tmp_path / "executions"
    with stage.worker():
        run = stage.start(stage.deploy("long"), seconds=20, marker=str(marker))
        _until(partial(_has_lines, marker, 1))
        first = stage.until(run, lambda found: found.infrastructure_pid)
        node = _task(stage, first).node_info.node_id
        stage.emulator.admin(f"nodes/lone/{node}/break", method="POST")
    _until(lambda: _task(stage, first).state == "active")
    states: list[State[Any]] = [Crashed(message="by an automation"), AwaitingRetry(), Pending()]
    with stage.client() as client:
        for state in states:
            client.set_flow_run_state(run, state, force=True)

    stage.emulator.admin(f"nodes/lone/{node}/recover", method="POST")
    assert _until_completed(stage, first).execution_info.exit_code == ExitCode.NOTHING_TO_EXECUTE
    assert _has_lines(marker, 1)
    with stage.worker():
        stage.ended(run, 2 * PATIENCE)
    assert _has_lines(marker, 2)
    assert sorted(task.id[-2:] for task in tasks_of(stage, run)) == ["-1", "-2"]
    assert sum(state.startswith("Completed") for state in stage.states(run)) == 1


def _has_lines(file: Path, count: int) -> bool:
    return file.exists() and len(file.read_text().split()) == count


def _task(stage: Stage, run: FlowRun) -> Any:
    infrastructure = Infrastructure.parse(run.infrastructure_pid or "")
    with stage.emulator.client() as client:
        return client.get_task(infrastructure.job, infrastructure.task)


def _until_completed(stage: Stage, run: FlowRun) -> Any:
    _until(lambda: _task(stage, run).state == "completed")
    return _task(stage, run)


def _until(holds: Callable[[], Any], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)  # polled, with a deadline
