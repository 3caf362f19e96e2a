"""What a job looks like, how it is changed, and how many an account may have."""

from azure_batch_emulator.control.quotas import Quotas
from tests.deployments.batch_emulator.emulated import Emulated, on_emulator

INFINITE = "P10675199DT2H48M5.4775807S"


@on_emulator
async def test_a_new_job_is_active_with_the_defaults_of_the_service(batch: Emulated) -> None:
    batch.job()
    job = batch.shown_job()
    assert (job["state"], job["priority"], job["maxParallelTasks"]) == ("active", 0, -1)
    assert (job["onAllTasksComplete"], job["onTaskFailure"]) == ("noaction", "noaction")
    assert job["constraints"] == {"maxWallClockTime": INFINITE, "maxTaskRetryCount": 0}
    assert job["executionInfo"]["poolId"] == "p"
    assert batch.refused("create_job", {"id": "J", "poolInfo": {"poolId": "p"}}) == "JobExists"


@on_emulator
async def test_a_patch_replaces_what_it_names_as_a_whole(batch: Emulated) -> None:
    batch.job(constraints={"maxWallClockTime": "PT1H", "maxTaskRetryCount": 3}, priority=5)
    batch.do("update_job", {"constraints": {"maxTaskRetryCount": 1}}, jobId="j")
    assert batch.shown_job()["constraints"] == {"maxWallClockTime": INFINITE, "maxTaskRetryCount": 1}
    assert batch.shown_job()["priority"] == 5
    await batch.advance(7200)
    assert batch.shown_job()["state"] == "active"
    batch.do("replace_job", {"poolInfo": {"poolId": "p"}}, jobId="j")
    assert (batch.shown_job()["priority"], batch.shown_job()["constraints"]["maxTaskRetryCount"]) == (0, 0)


@on_emulator
async def test_what_happens_on_failure_cannot_be_changed(batch: Emulated) -> None:
    batch.job()
    change = {"onTaskFailure": "performexitoptionsjobaction"}
    assert batch.refused("update_job", change, jobId="j") == "InvalidRequestBody"


@on_emulator
async def test_the_pool_of_a_job_changes_only_while_it_is_disabled(batch: Emulated) -> None:
    await batch.pool("other")
    batch.job(pool_id="gone")
    batch.task()
    change = {"poolInfo": {"poolId": "other"}}
    batch.do("update_job", {"poolInfo": {"poolId": "gone"}, "priority": 1}, jobId="j")
    assert batch.refused("update_job", change, jobId="j") == "OperationInvalidForCurrentState"
    batch.do("_disable_job_internal", {"disableTasks": "wait"}, jobId="j")
    await batch.advance(5)
    batch.do("update_job", change, jobId="j")
    batch.do("_enable_job_internal", jobId="j")
    await batch.advance(30)
    assert batch.states() == {"t": "completed"}


@on_emulator
async def test_a_user_s_change_changes_the_etag(batch: Emulated) -> None:
    batch.job()
    seen = {batch.shown_job()["eTag"]}
    for priority in range(3):
        batch.do("update_job", {"priority": priority}, jobId="j")
        seen.add(batch.shown_job()["eTag"])
    assert len(seen) == 4


@on_emulator(quotas=Quotas(active_jobs_and_schedules=2))
async def test_disabled_jobs_count_and_completed_ones_do_not(batch: Emulated) -> None:
    batch.job("1")
    batch.job("2")
    batch.do("_disable_job_internal", {"disableTasks": "wait"}, jobId="2")
    await batch.advance(5)
    third = {"id": "3", "poolInfo": {"poolId": "p"}}
    assert batch.refused("create_job", third) == "ActiveJobAndScheduleQuotaReached"
    batch.do("_terminate_job_internal", {}, jobId="1")
    assert batch.refused("create_job", third) == "ActiveJobAndScheduleQuotaReached"
    await batch.advance(20)
    batch.do("create_job", third)


@on_emulator
async def test_the_quota_may_be_said_to_be_reached(batch: Emulated) -> None:
    batch.inject("quota_reached", times=1)
    body = {"id": "j", "poolInfo": {"poolId": "p"}}
    assert batch.refused("create_job", body) == "ActiveJobAndScheduleQuotaReached"
    batch.do("create_job", body)
