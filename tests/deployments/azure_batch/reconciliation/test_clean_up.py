"""What a work pool leaves in the account is removed when its time has come, and nothing of anybody else's ever is."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from azure.batch import models

from azure_batch_emulator.running_emulator import running_emulator
from prefect_azure_batch import AzureBatchCredentials
from prefect_azure_batch.reconciliation.clean_up import CleanUp
from prefect_azure_batch.service.client import open_service
from prefect_azure_batch.service.identifiers import job_prefix, own_job_of, shared_job_id, task_id
from prefect_azure_batch.service.retry import RetryPolicy
from prefect_azure_batch.settings import WorkerSettings
from tests.deadline import until
from tests.deployments.azure_batch.stage import create_pool, make_stage

WORK_POOL = UUID("12345678-0000-4000-8000-000000000000")
OURS = job_prefix("prices", WORK_POOL)
OTHERS = job_prefix("prices", uuid4())
LOGGER = logging.getLogger("tests.clean-up")
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def emulator():
    """Each test has its own, for each moves the time."""
    with running_emulator(speed=0, executor="processes") as found:
        yield found


def now(emulator) -> datetime:
    return datetime.fromisoformat(emulator.admin("clock")["now"])


@asynccontextmanager
async def cleaning(emulator, **settings) -> AsyncIterator[CleanUp]:
    credentials = AzureBatchCredentials(
        endpoint=emulator.endpoint, account_name=emulator.account, account_key=emulator.key
    )
    service = open_service(credentials.endpoint, credentials.get_credential(), RetryPolicy(20))
    try:
        yield CleanUp(service, OURS, WorkerSettings(**settings), LOGGER, lambda: now(emulator))
    finally:
        await service.close()


async def all_final(runs) -> set[UUID]:
    return set(runs)


async def none_final(runs) -> set[UUID]:
    return set()


def add_job(client, job: str, *, tasks: int = 0, pool: str = "nodes", command: str = "true") -> list[str]:
    client.create_job(models.BatchJobCreateOptions(id=job, pool_info=models.BatchPoolInfo(pool_id=pool)))
    ids = [task_id(uuid4(), 1) for _ in range(tasks)]
    for name in ids:
        client.create_task(job, models.BatchTaskCreateOptions(id=name, command_line=command))
    return ids


def until_completed(emulator, client, job: str) -> None:
    emulator.advance_until(lambda: all(task.state == "completed" for task in client.list_tasks(job)))


def end(client, job: str) -> None:
    """At once, for it has no task."""
    client.update_job(job, models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob"))


def jobs(client) -> dict[str, str]:
    return {job.id: job.state for job in client.list_jobs() if job.state != "deleting"}


async def test_jobs_that_ended_go_after_their_retention_but_not_others(emulator):
    ended, busy, living, foreign = (shared_job_id(OURS, "nodes", n, 1) for n in (1, 2, 3, 4))
    foreign = foreign.replace(OURS, OTHERS)
    with emulator.client() as client:
        create_pool(emulator)
        for job in (ended, busy, living, foreign):
            add_job(client, job)
        for job in (ended, busy, foreign):
            end(client, job)
        emulator.advance("PT1M")
        async with cleaning(emulator, job_retention_days=2, days_per_job=30) as clean_up:
            await clean_up.clean({busy}, all_final)
            assert len(jobs(client)) == 4
            emulator.advance("P3D")
            await clean_up.clean({busy}, all_final)
        assert jobs(client) == {busy: "completed", living: "active", foreign: "completed"}


async def test_an_old_job_that_nobody_closed_ends_with_its_last_task(emulator):
    """No run goes to its pool any more, so that no worker looks for the next job; and it counts for the quota."""
    idle, working = (shared_job_id(OURS, "nodes", n, 1) for n in (1, 2))
    with emulator.client() as client:
        create_pool(emulator)
        add_job(client, idle)
        (task,) = add_job(client, working, tasks=1, command="sleep 300")
        emulator.advance_until(lambda: client.get_task(working, task).state == "running")
        async with cleaning(emulator, days_per_job=7) as clean_up:
            await clean_up.clean(set(), all_final)
            assert all(job.all_tasks_complete_mode == "noaction" for job in client.list_jobs())
            emulator.advance("P8D")
            await clean_up.clean(set(), all_final)
        emulator.advance("PT1M")
        assert jobs(client) == {idle: "completed", working: "active"}
        client.terminate_task(working, task)
        emulator.advance_until(lambda: jobs(client)[working] == "completed")


async def test_tasks_that_ended_go_where_it_is_wanted(emulator):
    job = shared_job_id(OURS, "nodes", 0, 1)
    with emulator.client() as client:
        create_pool(emulator)
        ours = add_job(client, job, tasks=2)
        client.create_task(job, models.BatchTaskCreateOptions(id="not-a-run", command_line="true"))
        until_completed(emulator, client, job)
        emulator.advance("P3D")
        async with cleaning(emulator) as clean_up:
            await clean_up.clean(set(), all_final)
        async with cleaning(emulator, task_retention_days=4) as clean_up:
            await clean_up.clean(set(), all_final)
        async with cleaning(emulator, task_retention_days=1) as clean_up:
            await clean_up.clean(set(), none_final)
            assert {task.id for task in client.list_tasks(job)} == {*ours, "not-a-run"}
            await clean_up.clean(set(), all_final)
        assert {task.id for task in client.list_tasks(job)} == {"not-a-run"}


async def test_temporary_pools_whose_job_is_gone_go(emulator):
    gone, there = own_job_of(OURS, task_id(uuid4(), 1)), own_job_of(OURS, task_id(uuid4(), 1))
    foreign = own_job_of(OTHERS, task_id(uuid4(), 1))
    with emulator.client() as client:
        create_pool(emulator)
        add_job(client, there)
        for name, job in (("gone", gone), ("there", there), ("foreign", foreign), ("plain", None)):
            client.create_pool(pool_of(f"prefect_{name}", job))
        async with cleaning(emulator) as clean_up:
            await clean_up.clean(set(), all_final)
            assert len(pools(client)) == 5  # too young
            emulator.advance("PT20M")
            await clean_up.clean(set(), all_final)
        assert pools(client) == {"nodes", "prefect_there", "prefect_foreign", "prefect_plain"}


async def test_a_run_s_own_job_that_was_never_closed_ends_and_takes_its_pool_along(emulator):
    """Its worker was killed after it had given the task to the service."""
    job = own_job_of(OURS, task_id(uuid4(), 1))
    with emulator.client() as client:
        auto = models.BatchAutoPoolSpecification(
            pool_lifetime_option="job", auto_pool_id_prefix="prefect", keep_alive=False, pool=specification()
        )
        info = models.BatchPoolInfo(auto_pool_specification=auto)
        client.create_job(models.BatchJobCreateOptions(id=job, pool_info=info))
        client.create_task(job, models.BatchTaskCreateOptions(id=task_id(uuid4(), 1), command_line="true"))
        until_completed(emulator, client, job)
        async with cleaning(emulator, submission_seconds=1800) as clean_up:
            await clean_up.clean(set(), all_final)
            assert jobs(client) == {job: "active"}
            emulator.advance("PT2H")
            await clean_up.clean(set(), all_final)
        emulator.advance("PT5M")
        assert jobs(client) == {job: "completed"}
        assert pools(client) == set()


async def test_a_broken_node_is_reported_once_with_its_log_and_removed_if_so_configured(emulator, caplog):
    job = shared_job_id(OURS, "failing", 0, 1)
    command = "/bin/sh -c 'echo no such disk >&2; exit 3'"
    with emulator.client() as client:
        client.create_pool(pool_of("failing", None, nodes=2, start=command))
        create_pool(emulator)
        add_job(client, job, pool="failing")
        emulator.advance_until(lambda: all(n.state == "starttaskfailed" for n in nodes(client, "failing")) or None)
        emulator.advance_until(lambda: [n for n in nodes(client, "nodes") if n.state == "idle"])
        healthy, broken = nodes(client, "nodes")
        emulator.admin(f"nodes/nodes/{broken.id}/break", method="POST")
        caplog.set_level(logging.WARNING, LOGGER.name)
        async with cleaning(emulator) as clean_up:
            await clean_up.clean(set(), all_final, "nodes")
            await clean_up.clean(set(), all_final, "nodes")
        told = [record.getMessage() for record in caplog.records if record.name == LOGGER.name]
        assert len(told) == 3  # each once
        assert sum("its start task failed, exit code 3" in line and "no such disk" in line for line in told) == 2
        assert any("is unusable (DiskFull" in line for line in told)
        assert len(nodes(client, "failing")) + len(nodes(client, "nodes")) == 4

        async with cleaning(emulator, remove_broken_nodes=True) as clean_up:
            await clean_up.clean(set(), all_final, "nodes")
        emulator.advance("PT5M")
        assert [node.id for node in nodes(client, "nodes")] == [healthy.id]
        assert nodes(client, "failing") == []


def test_a_worker_cleans_up_the_pool_that_its_work_pool_names(prefect_api):
    with running_emulator(speed=60, executor="processes") as emulator, emulator.client() as client:
        client.create_pool(pool_of("nodes", None, nodes=1, start="/bin/sh -c 'exit 3'"))
        stage = make_stage(prefect_api, emulator)
        prefix = "PREFECT_INTEGRATIONS_AZURE_BATCH_WORKER"
        often = {f"{prefix}_CLEAN_UP_SECONDS": "1", f"{prefix}_REMOVE_BROKEN_NODES": "true"}
        with stage.worker("cleaner", None, **often):
            until(lambda: [n for n in nodes(client, "nodes") if n.state in {"starttaskfailed", "leavingpool"}], 60)
            until(lambda: nodes(client, "nodes") == [], 60)


async def test_pools_of_others_are_not_looked_at(emulator, caplog):
    with emulator.client() as client:
        client.create_pool(pool_of("theirs", None, nodes=1, start="/bin/sh -c 'exit 3'"))
        add_job(client, shared_job_id(OTHERS, "theirs", 0, 1), pool="theirs")
        emulator.advance_until(lambda: [n for n in nodes(client, "theirs") if n.state == "starttaskfailed"])
        async with cleaning(emulator, remove_broken_nodes=True) as clean_up:
            await clean_up.clean(set(), all_final)
        emulator.advance("PT5M")
        assert len(nodes(client, "theirs")) == 1
    assert not [record for record in caplog.records if record.name == LOGGER.name]


async def test_trouble_of_the_service_is_told_and_the_rest_is_done(emulator, caplog):
    job = shared_job_id(OURS, "nodes", 0, 1)
    with emulator.client() as client:
        create_pool(emulator)
        add_job(client, job)
        end(client, job)
        emulator.advance("P9D")
        emulator.inject("internal", operation="list_pools")
        async with cleaning(emulator) as clean_up:
            clean_up._service.retry_policy = RetryPolicy(0.1)
            await clean_up.clean(set(), all_final)
        emulator.clear()
        assert jobs(client) == {}


def nodes(client, pool: str) -> list[models.BatchNode]:
    return sorted(client.list_nodes(pool), key=lambda node: node.id)


def pools(client) -> set[str]:
    return {pool.id for pool in client.list_pools() if pool.state != "deleting"}


def specification() -> models.BatchPoolSpecification:
    made = pool_of("x", None, nodes=1)
    return models.BatchPoolSpecification(
        vm_size=made.vm_size,
        virtual_machine_configuration=made.virtual_machine_configuration,
        target_dedicated_nodes=1,
    )


def pool_of(name: str, job: str | None, nodes: int = 0, start: str = "") -> models.BatchPoolCreateOptions:
    image = models.BatchVmImageReference(publisher="microsoft-dsvm", offer="ubuntu-hpc", sku="2204")
    return models.BatchPoolCreateOptions(
        id=name,
        vm_size="standard_d2s_v5",
        target_dedicated_nodes=nodes,
        resize_timeout=timedelta(minutes=15),
        virtual_machine_configuration=models.VirtualMachineConfiguration(
            image_reference=image, node_agent_sku_id="batch.node.ubuntu 22.04"
        ),
        start_task=models.BatchStartTask(command_line=start, wait_for_success=True) if start else None,
        metadata=[models.BatchMetadataItem(name="prefect-job", value=job)] if job else None,
    )
