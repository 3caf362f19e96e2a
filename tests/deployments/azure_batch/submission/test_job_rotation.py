"""Jobs that follow each other: when one ends, is full, or is made for one run alone."""

from typing import Any
from uuid import uuid4

import pytest
from azure.batch import models
from azure.batch.models import _models as private

from prefect_azure_batch.service.identifiers import task_id
from prefect_azure_batch.submission.job_rotation import JobKey
from tests.deployments.azure_batch.submission.submissions import Submissions, calls, perform, until


@pytest.mark.parametrize("gone", [False, True], ids=["while it ends", "once it has ended"])
@pytest.mark.parametrize("ending", ["begin_terminate_job", "begin_delete_job"])
def test_a_job_that_ends_is_followed_by_the_next(emulator, ending, gone):
    """Also when nothing is left of it: the service may still say of a deleted job's id that it is being deleted."""

    async def work(submissions: Submissions) -> Any:
        first = await submissions.submit()
        with emulator.client() as client:
            # Without a reason the SDK cannot even write the request.
            reason = {"options": private.BatchJobTerminateOptions(termination_reason="test")}
            getattr(client, ending)(first, **(reason if ending == "begin_terminate_job" else {}))
            if gone:
                emulator.advance("PT5M")
                await until(lambda: all(j.state.lower() == "completed" for j in client.list_jobs() if j.id == first))
        return first, await submissions.submit()

    first, second = perform(emulator, work)
    assert (first[-5:], second[-5:]) == ("00001", "00002")


def test_a_full_job_is_closed_and_followed_by_the_next(emulator):
    async def work(submissions: Submissions) -> Any:
        jobs = [await submissions.submit() for _ in range(5)]
        return jobs, {job.id: job for job in await submissions.service.list_jobs(submissions.job_rotation.prefix)}

    jobs, found = perform(emulator, work, tasks_per_job=2)
    assert [job[-1] for job in jobs] == ["1", "1", "2", "2", "3"]
    assert found[jobs[0]].all_tasks_complete_mode.lower() == "terminatejob"
    assert found[jobs[4]].all_tasks_complete_mode.lower() == "noaction"


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
        job = await submissions.submit(run, JobKey("", own_task=task_id(run, 1), auto_pool=pool))
        await until(lambda: calls(emulator).get("update_job"))
        return job, run, await submissions.service.get_job(job)

    job, run, found = perform(emulator, work)
    assert run.hex in job
    assert found.all_tasks_complete_mode.lower() == "terminatejob"
