"""Tasks given to the emulated service while it throttles, loses answers, is full or ends jobs: each is there once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Self
from uuid import UUID, uuid4

import pytest
from azure.batch import models
from azure.batch.models import _models as private

from deployments.azure_batch.client import BatchService, open_service
from deployments.azure_batch.configuration import AzureBatchJobConfiguration
from deployments.azure_batch.credentials import AzureBatchCredentials
from deployments.azure_batch.errors import OutOfTime, Refused
from deployments.azure_batch.identifiers import job_prefix, task_id
from deployments.azure_batch.jobs import JobBook, Lane
from deployments.azure_batch.retry import Patience
from deployments.azure_batch.submission import Submitter
from deployments.azure_batch.task import build_task
from tests.deployments.azure_batch.stage import create_pool
from tests.deployments.local.batch_emulator_server import Emulator, running_emulator

LANE = Lane("nodes")


@pytest.fixture(scope="module")
def running():
    with running_emulator(speed=60) as emulator:
        create_pool(emulator, nodes=1)
        yield emulator


@pytest.fixture
def emulator(running):
    running.admin("calls", method="DELETE")
    running.admin("quotas", {"active_jobs_and_schedules": 100})
    yield running
    running.admin("faults", method="DELETE")


class Submissions:
    """A submitter on a work pool of its own; `waits` are the seconds that it was told to wait, which pass at once."""

    def __init__(self, emulator: Emulator, *, deadline: float = 60, tasks_per_job: int = 10_000) -> None:
        key = AzureBatchCredentials(endpoint=emulator.endpoint, account_name=emulator.account, account_key=emulator.key)
        self.waits: list[float] = []
        self.seconds = 0.0
        patience = Patience(deadline, 0.5, 60, sleep=self._sleep, now=lambda: self.seconds, jitter=lambda: 0)
        self.service: BatchService = open_service(key, patience)
        self.book = JobBook(
            self.service,
            job_prefix("test", uuid4()),
            "test",
            tasks_per_job=tasks_per_job,
            lifetime=timedelta(days=1),
        )
        self.submitter = Submitter(self.service, self.book, patience, 0.1)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0.01)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.submitter.close()
        await self.service.close()

    async def submit(self, run: UUID | None = None, lane: Lane = LANE) -> str:
        run = run or uuid4()
        env = {"PREFECT__FLOW_RUN_ID": str(run), "EMULATOR_SIMULATE_SECONDS": "1"}
        task = build_task(task_id(run, 1), run, AzureBatchJobConfiguration(command="x", env=env))
        return await self.submitter.submit(task, lane)

    async def many(self, count: int) -> list[str]:
        return await asyncio.gather(*(self.submit() for _ in range(count)))

    async def count(self) -> int:
        """All tasks in all jobs of the work pool."""
        jobs = await self.service.list_jobs(self.book.prefix)
        return sum([len(await self.service.list_tasks(job.id, None, 10)) for job in jobs])


def perform(emulator: Emulator, work: Callable[[Submissions], Awaitable[Any]], **options: Any) -> Any:
    """What `work(submissions)` gives."""

    async def inside() -> Any:
        async with Submissions(emulator, **options) as submissions:
            return await work(submissions)

    return asyncio.run(inside())


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.001)  # polled, with a deadline


def calls(emulator: Emulator) -> dict[str, int]:
    return dict(emulator.admin("calls")["operations"])


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
    emulator.admin("faults", [{**fault, "operation": operation, "times": 3}])

    async def work(submissions: Submissions) -> Any:
        await submissions.many(20)
        return await submissions.count(), submissions.waits

    count, waits = perform(emulator, work)
    assert count == 20
    # Not always three times: of a lost answer to create_job the work is done, and HTTP repeats a GET by itself.
    assert [wait for wait in waits if wait >= 0.5] in ([0.5, 1, 2], [0.5, 1], [0.5])


def test_retry_after_is_honoured(emulator):
    emulator.admin(
        "faults", [{"kind": "throttled", "operation": "create_task_collection", "retry_after": 7, "times": 1}]
    )

    async def work(submissions: Submissions) -> Any:
        await submissions.submit()
        return submissions.waits

    assert 7 in perform(emulator, work)


def test_a_full_quota_of_jobs_is_waited_for(emulator):
    taken = emulator.admin("quotas", {"active_jobs_and_schedules": 0})
    assert taken["active_jobs_and_schedules"] == 0

    async def work(submissions: Submissions) -> Any:
        submission = asyncio.create_task(submissions.submit())
        await until(lambda: submissions.submitter.trouble)
        (trouble,) = submissions.submitter.trouble.values()
        emulator.admin("quotas", {"active_jobs_and_schedules": 100})
        return trouble, await submission, submissions.submitter.trouble

    trouble, job, after = perform(emulator, work, deadline=10_000)
    assert "ActiveJobAndScheduleQuotaReached" in trouble
    assert job
    assert not after


def test_after_the_deadline_the_service_s_words_are_told(emulator):
    emulator.admin("faults", [{"kind": "throttled", "operation": "create_task_collection"}])
    with pytest.raises(OutOfTime, match="TooManyRequests"):
        perform(emulator, lambda s: s.submit(), deadline=30)


@pytest.mark.parametrize("ending", ["begin_terminate_job", "begin_delete_job"])
def test_a_job_that_ends_is_followed_by_the_next(emulator, ending):
    async def work(submissions: Submissions) -> Any:
        first = await submissions.submit()
        with emulator.client() as client:
            # Without a reason the SDK cannot even write the request.
            reason = {"options": private.BatchJobTerminateOptions(termination_reason="test")}
            getattr(client, ending)(first, **(reason if ending == "begin_terminate_job" else {}))
        return first, await submissions.submit()

    first, second = perform(emulator, work)
    assert (first[-5:], second[-5:]) == ("00001", "00002")


def test_a_full_job_is_closed_and_followed_by_the_next(emulator):
    async def work(submissions: Submissions) -> Any:
        jobs = [await submissions.submit() for _ in range(5)]
        return jobs, {job.id: job for job in await submissions.service.list_jobs(submissions.book.prefix)}

    jobs, found = perform(emulator, work, tasks_per_job=2)
    assert [job[-1] for job in jobs] == ["1", "1", "2", "2", "3"]
    assert found[jobs[0]].all_tasks_complete_mode.lower() == "terminatejob"
    assert found[jobs[4]].all_tasks_complete_mode.lower() == "noaction"


def test_a_task_that_may_be_in_an_ended_job_is_not_made_twice(emulator):
    """The answer is lost, and then the job gets no more tasks: the task that was added stands."""
    run = uuid4()

    async def work(submissions: Submissions) -> Any:
        job = await submissions.submit()
        emulator.admin("faults", [{"kind": "answer_lost", "operation": "create_task_collection", "times": 1}])
        submission = asyncio.create_task(submissions.submit(run))
        await until(lambda: submissions.submitter.trouble)
        submissions.book.leave(LANE, job)
        with emulator.client() as client:
            client.update_job(job, models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob"))
        return job, await submission, await submissions.count()

    job, place, count = perform(emulator, work)
    assert place == job
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
        await submissions.submitter.submit(build_task(task_id(run, 1), run, other), LANE)

    with pytest.raises(Refused, match="executes something else"):
        perform(emulator, work)


def test_one_bad_task_does_not_spoil_the_others(emulator):
    async def work(submissions: Submissions) -> Any:
        env = {"A" * 5: "b"}
        bad = build_task("bad", uuid4(), AzureBatchJobConfiguration(command="x", env=env, required_slots=200))
        return await asyncio.gather(
            submissions.submit(), submissions.submitter.submit(bad, LANE), submissions.submit(), return_exceptions=True
        )

    first, bad, last = perform(emulator, work)
    assert first == last
    assert isinstance(bad, (str, Refused))


def test_a_pool_is_made_for_one_run(emulator):
    pool = models.BatchAutoPoolSpecification(
        pool_lifetime_option="job",
        pool=models.BatchPoolSpecification(
            vm_size="standard_d2s_v5",
            target_dedicated_nodes=1,
            virtual_machine_configuration=models.VirtualMachineConfiguration(
                image_reference=models.BatchVmImageReference(
                    publisher="canonical", offer="ubuntu-24_04-lts", sku="server", version="latest"
                ),
                node_agent_sku_id="batch.node.ubuntu 24.04",
            ),
        ),
    )

    async def work(submissions: Submissions) -> Any:
        run = uuid4()
        job = await submissions.submit(run, Lane("", own=task_id(run, 1), auto_pool=pool))
        await until(lambda: calls(emulator).get("update_job"))
        return job, run, await submissions.service.get_job(job)

    job, run, found = perform(emulator, work)
    assert run.hex in job
    assert found.all_tasks_complete_mode.lower() == "terminatejob"
