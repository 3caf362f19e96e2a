"""Whether a task that Batch starts (again) executes its flow run: the launcher as a process, a real Prefect server."""

import threading
import time
from pathlib import Path

import pytest

from batch_launcher.exit_codes import ExitCode
from tests.deployments.azure_batch.batch_launcher.flow_runs import FlowRuns
from tests.deployments.azure_batch.batch_launcher.launched import launch, start

HERE = {"AZ_BATCH_NODE_ID": "tvmps_1_d", "AZ_BATCH_JOB_ID": "etl", "AZ_BATCH_TASK_ID": "run-1"}


@pytest.fixture(scope="module")
def runs(prefect_api: str) -> FlowRuns:
    return FlowRuns(prefect_api)


def environment(runs: FlowRuns, run: str, **more: str) -> dict[str, str]:
    """A heartbeat every second makes an execution dead after three."""
    known = {"PREFECT_API_URL": runs.api, "PREFECT__FLOW_RUN_ID": run, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "1"}
    return known | HERE | more


def test_a_submitted_run_is_executed_and_marked_with_where(runs: FlowRuns) -> None:
    run = runs.create("PENDING")
    done = launch("echo", "executed", **environment(runs, run))

    assert (done.returncode, done.stdout, done.stderr) == (0, "executed\n", "")
    assert runs.read(run)["labels"]["azure-batch.execution"] == "tvmps_1_d/etl/run-1"


@pytest.mark.parametrize("policy", ["rerun", "crash"])
@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"])
def test_a_run_that_has_ended_is_not_executed_again(runs: FlowRuns, state: str, policy: str) -> None:
    run = runs.create(state)
    done = launch("echo", "executed", **environment(runs, run, AZURE_BATCH_ON_REQUEUE=policy))

    assert (done.returncode, done.stdout) == (ExitCode.NOTHING_TO_EXECUTE, "")
    assert f"is {state.title()} already" in done.stderr
    assert runs.state(run)[0] == state


def test_a_run_that_is_being_cancelled_becomes_cancelled(runs: FlowRuns) -> None:
    run = runs.create("CANCELLING")
    done = launch("echo", "executed", **environment(runs, run))

    assert (done.returncode, done.stdout) == (ExitCode.NOTHING_TO_EXECUTE, "")
    assert runs.state(run)[0] == "CANCELLED"


def test_a_run_that_is_scheduled_again_is_left_to_a_worker(runs: FlowRuns) -> None:
    run = runs.create("SCHEDULED")
    done = launch("echo", "executed", **environment(runs, run))

    assert (done.returncode, done.stdout) == (ExitCode.NOTHING_TO_EXECUTE, "")
    assert "a worker submits it again" in done.stderr


def test_a_suspended_run_is_left_until_it_is_resumed(runs: FlowRuns) -> None:
    run = runs.create("PAUSED", pause_reschedule=True)
    done = launch("echo", "executed", **environment(runs, run))

    assert (done.returncode, done.stdout) == (ExitCode.NOTHING_TO_EXECUTE, "")
    assert runs.state(run)[0] == "PAUSED"


@pytest.mark.parametrize("state", ["RUNNING", "PAUSED"])
def test_a_run_whose_execution_died_is_executed_again_once_it_is_silent(runs: FlowRuns, state: str) -> None:
    run = runs.create(state)
    runs.label(run, azure_batch__execution="tvmps_0_d/etl/run-1")
    began = time.monotonic()
    done = launch("echo", "executed", **environment(runs, run))

    assert (done.returncode, done.stdout) == (0, "executed\n")
    assert time.monotonic() - began > 1.5  # three seconds of silence, in whole seconds of the server's clock
    assert "tvmps_0_d/etl/run-1" in runs.logs(run)[0]
    assert "executed again from its beginning" in runs.logs(run)[0]
    assert runs.read(run)["labels"]["azure-batch.execution"] == "tvmps_1_d/etl/run-1"


def test_a_run_that_died_while_it_waited_for_its_own_retry_is_executed_again(runs: FlowRuns) -> None:
    run = runs.create("RUNNING")
    runs.set_retries(run, 1, delay_seconds=3600)
    runs.post(f"/flow_runs/{run}/set_state", {"state": {"type": "FAILED"}})
    assert runs.state(run)[0] == "SCHEDULED"  # AwaitingRetry, in the process that executes it
    done = launch("echo", "executed", **environment(runs, run))

    assert (done.returncode, done.stdout) == (0, "executed\n")


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_the_task_of_an_earlier_attempt_is_left(runs: FlowRuns, state: str) -> None:
    """Batch starts it again, and the run has been handed out again meanwhile."""
    run = runs.create("PENDING")
    for following in ("RUNNING", "SCHEDULED", "PENDING", *([] if state == "PENDING" else [state])):
        runs.set_state(run, following)
    # Pending as it was made, as it was created here, and as it was handed out again.
    first = launch("echo", "executed", **environment(runs, run, AZ_BATCH_TASK_ID=f"{run}-2"))
    second = launch("echo", "executed", **environment(runs, run, AZ_BATCH_TASK_ID=f"{run}-3"))

    assert (first.returncode, first.stdout) == (ExitCode.NOTHING_TO_EXECUTE, "")
    assert "attempt 3 has its own" in first.stderr
    assert (second.returncode, second.stdout) == (0, "executed\n")


def test_a_task_that_was_begun_on_another_node_waits_for_a_sign_of_life_of_it(runs: FlowRuns) -> None:
    """It was permitted to execute the run, and has not said Running yet."""
    run = runs.create("PENDING")
    runs.label(run, azure_batch__execution="tvmps_0_d/etl/run-1")
    with start("true", **environment(runs, run, PREFECT_FLOWS_HEARTBEAT_FREQUENCY="60")) as waiting:
        assert waiting.stderr
        assert "waiting up to" in waiting.stderr.readline()
        runs.set_state(run, "COMPLETED")
        _, errors = waiting.communicate(timeout=60)

    assert waiting.returncode == ExitCode.NOTHING_TO_EXECUTE
    assert "is Completed already" in errors


def test_a_run_that_is_alive_elsewhere_is_not_executed_here(runs: FlowRuns) -> None:
    run = runs.create("RUNNING")
    runs.label(run, azure_batch__execution="tvmps_0_d/etl/run-1")
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(1):
            runs.heartbeat(run)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        done = launch("echo", "executed", **environment(runs, run, PREFECT_FLOWS_HEARTBEAT_FREQUENCY="30"))
    finally:
        ended.set()
        thread.join()

    assert (done.returncode, done.stdout) == (ExitCode.EXECUTING_ELSEWHERE, "")
    assert "executed elsewhere (tvmps_0_d/etl/run-1)" in done.stderr
    assert runs.state(run)[0] == "RUNNING"
    assert runs.read(run)["labels"]["azure-batch.execution"] == "tvmps_0_d/etl/run-1"


def test_of_two_that_wait_the_later_one_sees_that_the_other_took_over(runs: FlowRuns) -> None:
    run = runs.create("RUNNING")
    with start("true", **environment(runs, run, PREFECT_FLOWS_HEARTBEAT_FREQUENCY="60")) as waiting:
        assert waiting.stderr
        assert "waiting up to" in waiting.stderr.readline()
        runs.label(run, azure_batch__execution="tvmps_2_d/etl/run-1")
        _, errors = waiting.communicate(timeout=60)

    assert waiting.returncode == ExitCode.EXECUTING_ELSEWHERE
    assert "tvmps_2_d" in errors


@pytest.mark.parametrize(("becomes", "said"), [("COMPLETED", "is Completed already"), ("PENDING", "submitted again")])
def test_a_run_that_is_settled_while_the_launcher_waits_is_left(runs: FlowRuns, becomes: str, said: str) -> None:
    run = runs.create("RUNNING")
    with start("echo", "executed", **environment(runs, run, PREFECT_FLOWS_HEARTBEAT_FREQUENCY="60")) as waiting:
        assert waiting.stderr
        assert "waiting up to" in waiting.stderr.readline()
        runs.set_state(run, becomes)
        output, errors = waiting.communicate(timeout=60)

    assert (waiting.returncode, output) == (ExitCode.NOTHING_TO_EXECUTE, "")
    assert said in errors


def test_with_crash_a_second_execution_is_not_started(runs: FlowRuns) -> None:
    run = runs.create("RUNNING")
    done = launch("echo", "executed", **environment(runs, run, AZURE_BATCH_ON_REQUEUE="crash"))

    assert (done.returncode, done.stdout) == (ExitCode.SECOND_EXECUTION, "")
    state, message = runs.state(run)
    assert state == "CRASHED"
    assert "tvmps_1_d/etl/run-1" in message
    assert "AZURE_BATCH_ON_REQUEUE is crash" in message


def test_with_crash_a_first_execution_is_started(runs: FlowRuns) -> None:
    run = runs.create("PENDING")
    done = launch("echo", "executed", **environment(runs, run, AZURE_BATCH_ON_REQUEUE="crash"))

    assert (done.returncode, done.stdout) == (0, "executed\n")


def test_with_always_prefect_is_not_even_asked(runs: FlowRuns) -> None:
    run = runs.create("COMPLETED")
    more = {"AZURE_BATCH_ON_REQUEUE": "always", "PREFECT_API_URL": "http://127.0.0.1:1/api"}
    done = launch("echo", "executed", **environment(runs, run, **more))

    assert (done.returncode, done.stdout) == (0, "executed\n")


def test_the_default_command_executes_the_run(runs: FlowRuns, tmp_path: Path) -> None:
    """Prefect's own command, which finds that this run has no deployment to take its flow from."""
    run = runs.create("PENDING")
    launch(**environment(runs, run, PREFECT_FLOWS_HEARTBEAT_FREQUENCY="30", HOME=str(tmp_path)))

    assert runs.state(run)[0] in {"CRASHED", "FAILED"}
