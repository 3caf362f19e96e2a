"""Job schedules: when their jobs are made, one at a time, and how a schedule ends."""

from datetime import timedelta
from typing import Any

from azure_batch_emulator.control.quotas import Quotas
from azure_batch_emulator.protocol.times import moment, stamp
from tests.deployments.batch_emulator.emulated import MACHINE, Emulated, on_emulator

MANAGER = {"id": "main", "commandLine": "simulate --seconds 60"}
SPECIFICATION = {"poolInfo": {"poolId": "p"}, "jobManagerTask": MANAGER}


@on_emulator
async def test_a_job_is_made_at_each_recurrence(batch: Emulated) -> None:
    await batch.pool()
    begun = batch.clock.now()
    _schedule(batch, {"recurrenceInterval": "PT1H"})
    await batch.advance(5)
    execution = _shown(batch)["executionInfo"]
    assert execution["recentJob"]["id"] == "s:job-1"
    assert moment(execution["nextRunTime"]) == begun + timedelta(hours=1)
    await batch.advance(3 * 3600)
    jobs = batch.do("list_jobs_from_schedule", jobScheduleId="s")
    assert [job["id"] for job in jobs] == ["s:job-1", "s:job-2", "s:job-3", "s:job-4"]
    assert [job["state"] for job in jobs] == ["completed"] * 3 + ["active"]
    assert batch.shown("main", "s:job-1")["nodeInfo"]["taskRootDirectory"] == "workitems/s/job-1/main"
    assert _shown(batch)["state"] == "active"


@on_emulator
async def test_no_job_is_made_while_one_runs(batch: Emulated) -> None:
    await batch.pool()
    _schedule(batch, {"recurrenceInterval": "PT1H"}, {**MANAGER, "commandLine": "simulate --seconds 5000"})
    await batch.advance(4000)
    assert _jobs(batch) == ["s:job-1"]
    await batch.advance(1100)
    assert _jobs(batch) == ["s:job-1", "s:job-2"]


@on_emulator
async def test_a_recurrence_whose_window_has_passed_is_left_out(batch: Emulated) -> None:
    await batch.pool()
    times = {"recurrenceInterval": "PT1H", "startWindow": "PT10M"}
    _schedule(batch, times, {**MANAGER, "commandLine": "simulate --seconds 5000"})
    await batch.advance(6000)
    assert _jobs(batch) == ["s:job-1"]
    await batch.advance(1300)
    assert _jobs(batch) == ["s:job-1", "s:job-2"]


@on_emulator
async def test_a_schedule_without_recurrence_makes_one_job_and_is_over(batch: Emulated) -> None:
    await batch.pool()
    _schedule(batch, {})
    await batch.advance(50)
    assert (_jobs(batch), _shown(batch)["state"]) == (["s:job-1"], "active")
    await batch.advance(60)
    assert _shown(batch)["state"] == "completed"
    assert "endTime" in _shown(batch)["executionInfo"]


@on_emulator
async def test_a_schedule_keeps_to_its_time(batch: Emulated) -> None:
    now = batch.clock.now()
    times = {
        "doNotRunUntil": stamp(now + timedelta(hours=2)),
        "doNotRunAfter": stamp(now + timedelta(hours=3, minutes=30)),
        "recurrenceInterval": "PT1H",
    }
    await batch.pool(wait=0)
    _schedule(batch, times)
    await batch.advance(7000)
    assert _jobs(batch) == []
    await batch.advance(6 * 3600)
    assert _jobs(batch) == ["s:job-1", "s:job-2"]
    assert _shown(batch)["state"] == "completed"


@on_emulator
async def test_a_disabled_schedule_makes_no_jobs(batch: Emulated) -> None:
    await batch.pool()
    _schedule(batch, {"recurrenceInterval": "PT1H"})
    await batch.advance(120)
    batch.do("disable_job_schedule", jobScheduleId="s")
    await batch.advance(3 * 3600)
    assert (_jobs(batch), _shown(batch)["state"]) == (["s:job-1"], "disabled")
    batch.do("enable_job_schedule", jobScheduleId="s")
    await batch.advance(3600)
    assert _jobs(batch) == ["s:job-1", "s:job-2"]


@on_emulator
async def test_terminating_a_schedule_ends_its_job(batch: Emulated) -> None:
    await batch.pool()
    _schedule(batch, {"recurrenceInterval": "PT1H"}, {**MANAGER, "commandLine": "simulate --seconds 3000"})
    await batch.advance(60)
    batch.do("_terminate_job_schedule_internal", jobScheduleId="s")
    assert _shown(batch)["state"] == "terminating"
    assert batch.refused("disable_job_schedule", jobScheduleId="s") == "JobScheduleBeingTerminated"
    await batch.advance(30)
    assert _shown(batch)["state"] == "completed"
    job = batch.shown_job("s:job-1")
    assert (job["state"], job["executionInfo"]["terminateReason"]) == ("completed", "TerminateJobSchedule")
    assert batch.refused("enable_job_schedule", jobScheduleId="s") == "JobScheduleCompleted"


@on_emulator
async def test_deleting_a_schedule_takes_its_jobs_along(batch: Emulated) -> None:
    await batch.pool()
    _schedule(batch, {"recurrenceInterval": "PT1H"})
    await batch.advance(4000)
    batch.do("_delete_job_schedule_internal", jobScheduleId="s")
    assert _shown(batch)["state"] == "deleting"
    await batch.advance(30)
    assert batch.refused("get_job_schedule", jobScheduleId="s") == "JobScheduleNotFound"
    assert batch.do("list_jobs") == []


@on_emulator
async def test_a_change_holds_for_the_jobs_to_come(batch: Emulated) -> None:
    await batch.pool()
    _schedule(batch, {"recurrenceInterval": "PT1H"})
    await batch.advance(120)
    batch.do("update_job_schedule", {"jobSpecification": {**SPECIFICATION, "priority": 7}}, jobScheduleId="s")
    await batch.advance(3600)
    jobs = batch.do("list_jobs_from_schedule", jobScheduleId="s")
    assert [job["priority"] for job in jobs] == [0, 7]


@on_emulator
async def test_a_pool_that_lives_as_long_as_the_schedule(batch: Emulated) -> None:
    pool = {"vmSize": "standard_d2s_v3", "virtualMachineConfiguration": MACHINE, "targetDedicatedNodes": 1}
    own = {"poolLifetimeOption": "jobschedule", "autoPoolIdPrefix": "s", "pool": pool}
    specification = {**SPECIFICATION, "poolInfo": {"autoPoolSpecification": own}}
    body = {"id": "s", "schedule": {"recurrenceInterval": "PT1H"}, "jobSpecification": specification}
    batch.do("create_job_schedule", body)
    await batch.advance(2 * 3600)
    jobs = batch.do("list_jobs_from_schedule", jobScheduleId="s")
    assert len(jobs) == 3
    assert len({job["executionInfo"]["poolId"] for job in jobs}) == 1
    batch.do("_terminate_job_schedule_internal", jobScheduleId="s")
    await batch.advance(60)
    assert batch.do("list_pools") == []


@on_emulator(quotas=Quotas(active_jobs_and_schedules=2))
async def test_schedules_count_as_active_jobs_do_and_share_their_ids(batch: Emulated) -> None:
    batch.job("j")
    body = {"schedule": {"recurrenceInterval": "PT1H"}, "jobSpecification": SPECIFICATION}
    assert batch.refused("create_job_schedule", {"id": "J", **body}) == "JobWithSameIdExists"
    _schedule(batch, {"doNotRunUntil": stamp(batch.clock.now() + timedelta(days=1))})
    assert batch.refused("create_job", {"id": "S", "poolInfo": {"poolId": "p"}}) == "JobScheduleWithSameIdExists"
    assert batch.refused("create_job_schedule", {"id": "s", **body}) == "JobScheduleExists"
    code = batch.refused("create_job", {"id": "other", "poolInfo": {"poolId": "p"}})
    assert code == "ActiveJobAndScheduleQuotaReached"


def _schedule(batch: Emulated, times: dict[str, Any], manager: dict[str, Any] = MANAGER) -> None:
    specification = {**SPECIFICATION, "jobManagerTask": manager}
    batch.do("create_job_schedule", {"id": "s", "schedule": times, "jobSpecification": specification})


def _shown(batch: Emulated) -> Any:
    return batch.do("get_job_schedule", jobScheduleId="s")


def _jobs(batch: Emulated) -> list[str]:
    return [job["id"] for job in batch.do("list_jobs_from_schedule", jobScheduleId="s")]
