"""The states of tasks: they run, are retried, requeued, ended, deleted, and run again."""

import pytest

from azure_batch_emulator.protocol.errors import BatchError
from tests.deployments.batch_emulator.emulated import Emulated, on_emulator

READY = 1  # seconds until a task that finds a free slot runs


@on_emulator
async def test_a_task_runs_and_ends_well(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(seconds=10)
    assert batch.shown()["state"] == "active"
    assert batch.shown()["executionInfo"] == {"retryCount": 0, "requeueCount": 0}
    assert "nodeInfo" not in batch.shown()
    await batch.advance(READY)
    running = dict(batch.shown())
    assert (running["state"], running["previousState"]) == ("running", "active")
    assert running["nodeInfo"]["nodeId"] == batch.nodes()[0]["id"]
    assert running["nodeInfo"]["taskRootDirectory"] == "workitems/j/job-1/t"
    assert batch.node_states() == ["running"]
    await batch.advance(10)
    done = batch.shown()
    assert (done["state"], done["previousState"]) == ("completed", "running")
    assert done["executionInfo"]["exitCode"] == 0
    assert done["executionInfo"]["result"] == "success"
    assert "failureInfo" not in done["executionInfo"]
    assert batch.node_states() == ["idle"]


@on_emulator
async def test_transitions_by_the_service_leave_the_etag(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(seconds=5)
    before = batch.shown()["eTag"], batch.shown()["lastModified"]
    await batch.advance(60)
    assert batch.shown()["state"] == "completed"
    assert (batch.shown()["eTag"], batch.shown()["lastModified"]) == before


@on_emulator
async def test_a_task_that_prepares_shows_it(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.do("create_task", {"id": "t", "commandLine": "simulate --prepare-seconds 30 --seconds 5"}, jobId="j")
    await batch.advance(READY)
    assert batch.shown()["state"] == "preparing"
    assert "startTime" not in batch.shown()["executionInfo"]
    await batch.advance(30)
    assert (batch.shown()["state"], batch.shown()["previousState"]) == ("running", "preparing")


@on_emulator
async def test_a_failure_names_the_exit_code(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(exit_code=3)
    await batch.advance(20)
    execution = batch.shown()["executionInfo"]
    assert (execution["exitCode"], execution["result"], execution["retryCount"]) == (3, "failure", 0)
    assert execution["failureInfo"]["category"] == "UserError"
    assert execution["failureInfo"]["code"] == "FailureExitCode"
    assert execution["failureInfo"]["message"] == "The task process exited with an unexpected exit code"


@on_emulator
async def test_exits_are_retried_as_often_as_asked(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(exit_code=1, constraints={"maxTaskRetryCount": 2})
    await batch.advance(15)
    assert batch.shown()["state"] == "running"
    assert batch.shown()["executionInfo"]["retryCount"] == 1
    assert "exitCode" not in batch.shown()["executionInfo"]
    await batch.advance(60)
    assert batch.shown()["state"] == "completed"
    assert batch.shown()["executionInfo"]["retryCount"] == 2


@on_emulator
async def test_what_cannot_start_is_not_retried(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    body = {"id": "t", "commandLine": "simulate --nonsense", "constraints": {"maxTaskRetryCount": 5}}
    batch.do("create_task", body, jobId="j")
    await batch.advance(5)
    execution = batch.shown()["executionInfo"]
    assert (execution["failureInfo"]["code"], execution["retryCount"]) == ("CommandLaunchFailed", 0)
    assert "exitCode" not in execution


@on_emulator
async def test_a_task_out_of_time_is_ended(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(seconds=3600, constraints={"maxWallClockTime": "PT1M", "maxTaskRetryCount": 3})
    await batch.advance(59)
    assert batch.shown()["state"] == "running"
    await batch.advance(2)
    execution = batch.shown()["executionInfo"]
    assert batch.shown()["state"] == "completed"
    assert (execution["failureInfo"]["code"], execution["exitCode"]) == ("TaskEnded", 137)


@on_emulator
async def test_a_simulated_task_ends_when_it_is_told_to(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(seconds=100_000, exit_code=3)
    await batch.advance(30)
    batch.account.end_task("j", "t")
    await batch.advance(1)
    assert batch.shown()["state"] == "completed"
    assert batch.shown()["executionInfo"]["exitCode"] == 3
    with pytest.raises(BatchError, match="The task is completed"):
        batch.account.end_task("j", "t")
    with pytest.raises(BatchError, match="TaskNotFound"):
        batch.account.end_task("j", "other")


@on_emulator
async def test_a_terminated_task_that_never_ran(batch: Emulated) -> None:
    batch.job()
    batch.task()
    batch.do("terminate_task", jobId="j", taskId="t")
    task = batch.shown()
    assert (task["state"], task["nodeInfo"]) == ("completed", {})
    failure = task["executionInfo"]["failureInfo"]
    assert (failure["category"], failure["code"]) == ("UserError", "TaskEnded")
    assert failure["message"] == "Task Was Ended by User Request"
    assert "exitCode" not in task["executionInfo"]
    assert batch.refused("terminate_task", jobId="j", taskId="t") == "TaskCompleted"


@on_emulator
async def test_a_terminated_task_that_ran(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(seconds=600)
    await batch.advance(READY)
    before = batch.shown()["eTag"]
    batch.do("terminate_task", jobId="j", taskId="t")
    await batch.advance(1)
    task = batch.shown()
    assert (task["state"], task["executionInfo"]["failureInfo"]["code"]) == ("completed", "TaskEnded")
    assert task["nodeInfo"]["nodeId"] == batch.nodes()[0]["id"]
    assert task["eTag"] != before
    assert batch.node_states() == ["idle"]


@on_emulator
async def test_a_deleted_task_frees_its_slot(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task("first", seconds=600)
    batch.task("second")
    await batch.advance(READY)
    assert batch.states() == {"first": "running", "second": "active"}
    batch.do("delete_task", jobId="j", taskId="FIRST")
    await batch.advance(READY)
    assert batch.states() == {"second": "running"}
    assert batch.refused("get_task", jobId="j", taskId="first") == "TaskNotFound"


@on_emulator
async def test_a_failed_task_can_be_reactivated(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task("failed", exit_code=1)
    batch.task("fine")
    assert batch.refused("reactivate_task", jobId="j", taskId="fine") == "TaskNotCompleted"
    await batch.advance(30)
    assert batch.refused("reactivate_task", jobId="j", taskId="fine") == "TaskSucceeded"
    batch.do("reactivate_task", jobId="j", taskId="failed")
    assert batch.shown("failed")["state"] == "active"
    assert batch.shown("failed")["executionInfo"] == {"retryCount": 0, "requeueCount": 0}
    await batch.advance(30)
    assert batch.shown("failed")["state"] == "completed"
    assert batch.do("get_job_task_counts", jobId="j")["taskCounts"]["failed"] == 1


@on_emulator
async def test_files_go_when_their_retention_time_is_over(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(constraints={"retentionTime": "PT1H"})
    await batch.advance(60)
    assert "stdout.txt" in [each["name"] for each in batch.do("list_task_files", jobId="j", taskId="t")]
    await batch.advance(3600)
    assert batch.refused("list_task_files", jobId="j", taskId="t") == "TaskFilesCleanedup"
