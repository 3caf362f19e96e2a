"""The states of jobs: how they end, what ends them, and what becomes of their tasks."""

import pytest

from tests.deployments.batch_emulator.emulated import Emulated, on_emulator


@on_emulator
async def test_a_job_may_wait_for_its_pool(batch: Emulated) -> None:
    batch.job(pool_id="later")
    batch.task()
    await batch.advance(600)
    assert batch.states() == {"t": "active"}
    await batch.pool("Later")
    await batch.advance(20)
    assert batch.states() == {"t": "completed"}


@on_emulator
async def test_terminating_takes_its_time_and_leaves_what_never_ran(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task("runs", seconds=600)
    batch.task("waits")
    await batch.advance(1)
    batch.do("_terminate_job_internal", {}, jobId="j")
    assert batch.shown_job()["state"] == "terminating"
    assert batch.refused("create_task", {"id": "n", "commandLine": "x"}, jobId="j") == "JobBeingTerminated"
    await batch.advance(15)
    assert batch.shown_job()["state"] == "terminating"
    await batch.advance(2)
    job = batch.shown_job()
    assert (job["state"], job["previousState"]) == ("completed", "terminating")
    assert job["executionInfo"]["terminateReason"] == "UserTerminate"
    assert "endTime" in job["executionInfo"]
    assert batch.states() == {"runs": "completed", "waits": "active"}
    assert batch.shown("runs")["executionInfo"]["failureInfo"]["code"] == "TaskEnded"
    assert batch.refused("create_task", {"id": "n", "commandLine": "x"}, jobId="j") == "JobCompleted"
    assert batch.refused("_terminate_job_internal", {}, jobId="j") == "JobCompleted"


@on_emulator
async def test_a_deleted_job_is_there_for_a_while(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task(seconds=600)
    await batch.advance(1)
    batch.do("_delete_job_internal", jobId="j")
    await batch.advance(14)
    assert batch.shown_job()["state"] == "deleting"
    assert batch.refused("_delete_job_internal", jobId="j") == "JobBeingDeleted"
    assert batch.refused("create_job", {"id": "j", "poolInfo": {"poolId": "p"}}) == "JobExists"
    await batch.advance(2)
    assert batch.refused("get_job", jobId="j") == "JobNotFound"
    assert batch.node_states() == ["idle"]
    batch.job()


@on_emulator
async def test_a_delete_may_linger(batch: Emulated) -> None:
    batch.job()
    batch.inject("delete_lingers", job="j", seconds=3600)
    batch.do("_delete_job_internal", jobId="j")
    await batch.advance(3600)
    assert batch.shown_job()["state"] == "deleting"
    await batch.advance(20)
    assert batch.refused("get_job", jobId="j") == "JobNotFound"


@on_emulator
async def test_a_job_that_ends_with_its_tasks(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.task("1", seconds=10)
    batch.task("2", seconds=10)
    batch.do("update_job", {"onAllTasksComplete": "terminatejob"}, jobId="j")
    await batch.advance(15)
    assert batch.shown_job()["state"] == "active"
    await batch.advance(10)
    assert batch.shown_job()["state"] == "terminating"
    await batch.advance(20)
    assert batch.shown_job()["executionInfo"]["terminateReason"] == "AllTasksComplete"
    assert batch.shown_job()["state"] == "completed"


@on_emulator
async def test_a_job_that_ends_with_its_tasks_is_over_when_it_has_none(batch: Emulated) -> None:
    batch.job(onAllTasksComplete="terminatejob")
    assert batch.refused("create_task", {"id": "t", "commandLine": "x"}, jobId="j") == "JobBeingTerminated"
    await batch.advance(20)
    assert batch.shown_job()["executionInfo"]["terminateReason"] == "AllTasksComplete"


@on_emulator
async def test_deleting_the_last_task_may_end_the_job(batch: Emulated) -> None:
    batch.job()
    batch.task()
    batch.do("update_job", {"onAllTasksComplete": "terminatejob"}, jobId="j")
    assert batch.shown_job()["state"] == "active"
    batch.do("delete_task", jobId="j", taskId="t")
    assert batch.shown_job()["state"] == "terminating"


@on_emulator
async def test_a_job_out_of_time_ends_with_its_tasks(batch: Emulated) -> None:
    await batch.pool()
    batch.job(constraints={"maxWallClockTime": "PT10M"})
    batch.task(seconds=3600)
    await batch.advance(590)
    assert batch.shown_job()["state"] == "active"
    await batch.advance(30)
    assert batch.shown_job()["executionInfo"]["terminateReason"] == "MaxWallClockTimeExpiry"
    assert batch.states() == {"t": "completed"}


@on_emulator
async def test_a_failed_task_may_end_its_job(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=2)
    batch.job(onTaskFailure="performexitoptionsjobaction")
    batch.task("long", seconds=3600)
    batch.task("harmless", seconds=1, exit_code=2, exitConditions={"default": {"jobAction": "none"}})
    await batch.advance(5)
    assert batch.shown_job()["state"] == "active"
    batch.task("fatal", seconds=1, exit_code=2)
    await batch.advance(20)
    assert batch.shown_job()["executionInfo"]["terminateReason"] == "TaskFailed"
    assert batch.states()["long"] == "completed"


@on_emulator
async def test_a_failed_task_may_disable_its_job(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=2)
    batch.job(onTaskFailure="performexitoptionsjobaction")
    ranges = [{"start": 10, "end": 20, "exitOptions": {"jobAction": "disable"}}]
    batch.task("long", seconds=3600)
    batch.task("bad", seconds=1, exit_code=15, exitConditions={"exitCodeRanges": ranges})
    await batch.advance(10)
    assert batch.shown_job()["state"] == "disabled"
    assert batch.states()["long"] == "active"


@pytest.mark.parametrize(
    ("option", "state", "requeued"), [("requeue", "active", 1), ("terminate", "completed", 0), ("wait", "running", 0)]
)
def test_disabling_deals_with_running_tasks_as_asked(option: str, state: str, requeued: int) -> None:
    @on_emulator
    async def scenario(batch: Emulated) -> None:
        await batch.pool()
        batch.job()
        batch.task(seconds=60)
        await batch.advance(1)
        batch.do("_disable_job_internal", {"disableTasks": option}, jobId="j")
        assert batch.shown_job()["state"] == "disabling"
        await batch.advance(5)
        assert batch.shown_job()["state"] == ("disabling" if option == "wait" else "disabled")
        assert batch.states() == {"t": state}
        assert batch.shown()["executionInfo"]["requeueCount"] == requeued
        await batch.advance(90)
        assert batch.shown_job()["state"] == "disabled"

    scenario()


@on_emulator
async def test_a_disabled_job_takes_tasks_and_runs_them_when_enabled(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    assert batch.refused("_enable_job_internal", jobId="j") == "OperationInvalidForCurrentState"
    batch.do("_disable_job_internal", {"disableTasks": "requeue"}, jobId="j")
    batch.task()
    await batch.advance(60)
    assert batch.states() == {"t": "active"}
    batch.do("_enable_job_internal", jobId="j")
    assert batch.shown_job()["state"] == "enabling"
    await batch.advance(20)
    assert (batch.shown_job()["state"], batch.states()) == ("active", {"t": "completed"})


@on_emulator
async def test_a_job_that_is_being_disabled_can_be_terminated_or_enabled(batch: Emulated) -> None:
    await batch.pool(targetDedicatedNodes=3)
    for name in ("terminated", "enabled", "disabled"):
        batch.job(name)
        batch.task("t", name, seconds=60)
    await batch.advance(1)
    for name in ("terminated", "enabled", "disabled"):
        batch.do("_disable_job_internal", {"disableTasks": "wait"}, jobId=name)
    batch.do("_terminate_job_internal", {}, jobId="terminated")
    batch.do("_enable_job_internal", jobId="enabled")
    batch.do("_enable_job_internal", jobId="disabled")
    batch.do("_disable_job_internal", {"disableTasks": "wait"}, jobId="disabled")
    await batch.advance(120)
    assert batch.shown_job("disabled")["state"] == "disabled"
    assert batch.shown_job("terminated")["state"] == "completed"
    assert batch.shown_job("enabled")["state"] == "active"


@on_emulator
async def test_the_files_of_a_deleted_job_go_with_it(batch: Emulated) -> None:
    await batch.pool()
    batch.job()
    batch.do("create_task", {"id": "t", "commandLine": "simulate --seconds 1 --stdout hello"}, jobId="j")
    await batch.advance(10)
    node = batch.nodes()[0]["id"]
    assert "workitems/j/job-1" in _files(batch, node)
    batch.do("_delete_job_internal", jobId="j")
    await batch.advance(20)
    assert "workitems/j/job-1" not in _files(batch, node)


def _files(batch: Emulated, node: str) -> list[str]:
    root = batch.account.root / "pools" / "p" / node
    return [path.relative_to(root).as_posix() for path in root.rglob("*")]
