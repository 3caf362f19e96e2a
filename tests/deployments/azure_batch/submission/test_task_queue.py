"""Tasks given to the emulated service while it throttles, loses answers, is full or ends jobs: each is there once."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from azure.batch import models

from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.service.errors import OutOfTime, Refused
from prefect_azure_batch.service.identifiers import task_id
from prefect_azure_batch.submission.task import build_task
from tests.deployments.azure_batch.submission.submissions import LANE, Submissions, calls, perform, until


def test_those_that_come_together_go_in_one_request(emulator):
    jobs = perform(emulator, lambda s: s.many(250))
    assert len(set(jobs)) == 1
    assert calls(emulator)["create_task_collection"] == 3
    assert calls(emulator)["create_job"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "throttled"},
        {"kind": "busy"},
        {"kind": "internal"},
        {"kind": "reset"},
        {"kind": "answer_lost"},
    ],
    ids=lambda fault: fault["kind"],
)
@pytest.mark.parametrize("operation", ["create_task_collection", "create_job", "list_jobs"])
def test_each_is_there_once_whatever_the_service_answers_meanwhile(emulator, fault, operation):
    emulator.inject(**fault, operation=operation, times=3)

    async def work(submissions: Submissions) -> Any:
        await submissions.many(20)
        return await submissions.count(), submissions.waits

    count, waits = perform(emulator, work)
    assert count == 20
    # Not always three times: of a lost answer to create_job the work is done, and HTTP repeats a GET by itself.
    assert [wait for wait in waits if wait >= 0.5] in ([0.5, 1, 2], [0.5, 1], [0.5])


def test_retry_after_is_honoured(emulator):
    emulator.inject("throttled", operation="create_task_collection", retry_after=7, times=1)

    async def work(submissions: Submissions) -> Any:
        await submissions.submit()
        return submissions.waits

    assert 7 in perform(emulator, work)


def test_a_full_quota_of_jobs_is_waited_for(emulator):
    taken = emulator.admin("quotas", {"active_jobs_and_schedules": 0})
    assert taken["active_jobs_and_schedules"] == 0

    async def work(submissions: Submissions) -> Any:
        submission = asyncio.create_task(submissions.submit())
        await until(lambda: submissions.task_queue.trouble)
        (trouble,) = submissions.task_queue.trouble.values()
        emulator.admin("quotas", {"active_jobs_and_schedules": 100})
        return trouble, await submission, submissions.task_queue.trouble

    trouble, job, after = perform(emulator, work, deadline=10_000)
    assert "ActiveJobAndScheduleQuotaReached" in trouble
    assert job
    assert not after


def test_after_the_deadline_the_service_s_words_are_told(emulator):
    emulator.inject("throttled", operation="create_task_collection")
    with pytest.raises(OutOfTime, match="TooManyRequests"):
        perform(emulator, lambda s: s.submit(), deadline=30)


def test_a_task_that_may_be_in_an_ended_job_is_not_made_twice(emulator):
    """The answer is lost, and then the job gets no more tasks: the task that was added stands."""
    run = uuid4()

    async def work(submissions: Submissions) -> Any:
        job = await submissions.submit()
        emulator.inject("answer_lost", operation="create_task_collection", times=1)
        submission = asyncio.create_task(submissions.submit(run))
        await until(lambda: submissions.task_queue.trouble)
        submissions.job_rotation.retire(LANE, job)
        with emulator.client() as client:
            client.update_job(job, models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob"))
        return job, await submission, await submissions.count()

    job, infrastructure, count = perform(emulator, work)
    assert infrastructure == job
    assert count == 2


def test_the_same_submission_twice_makes_one_task(emulator):
    run = uuid4()

    async def work(submissions: Submissions) -> Any:
        jobs = [await submissions.submit(run), await submissions.submit(run)]
        return jobs, await submissions.count()

    jobs, count = perform(emulator, work)
    assert (len(set(jobs)), count) == (1, 1)


def test_a_task_of_another_run_with_the_same_id_is_refused(emulator):
    run = uuid4()

    async def work(submissions: Submissions) -> Any:
        await submissions.submit(run)
        other = AzureBatchJobConfiguration(command="x", env={"PREFECT__FLOW_RUN_ID": str(uuid4())})
        await submissions.task_queue.submit(build_task(task_id(run, 1), run, other), LANE)

    with pytest.raises(Refused, match="executes something else"):
        perform(emulator, work)


def test_one_bad_task_does_not_spoil_the_others(emulator):
    async def work(submissions: Submissions) -> Any:
        env = {"A" * 5: "b"}
        bad = build_task("bad", uuid4(), AzureBatchJobConfiguration(command="x", env=env, required_slots=200))
        return await asyncio.gather(
            submissions.submit(), submissions.task_queue.submit(bad, LANE), submissions.submit(), return_exceptions=True
        )

    first, bad, last = perform(emulator, work)
    assert first == last
    assert isinstance(bad, (str, Refused))
