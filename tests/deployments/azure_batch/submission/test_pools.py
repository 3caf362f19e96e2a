"""The pool that a task goes to: found, made as described, refused when no task could run there, or the task's own."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State

from azure_batch_emulator.running_emulator import running_emulator
from prefect_azure_batch import AzureBatchCredentials
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.service.client import BatchService, open_service
from prefect_azure_batch.service.errors import ConfigurationError
from prefect_azure_batch.service.identifiers import own_job_of, task_id
from prefect_azure_batch.service.retry import RetryPolicy
from prefect_azure_batch.submission.pools import job_key_for
from tests.deadline import until
from tests.deployments.azure_batch.stage import EXECUTE, create_pool, make_stage

PREFIX = "prices-12345678-"
SMALL = {"vm_size": "standard_d2s_v5", "containers": False}


@pytest.fixture(scope="module")
def emulator():
    with running_emulator(speed=0, executor="simulated", pools=40) as found:
        create_pool(found, "plain", slots=4)
        create_pool(found, "containers", slots=4, containers=True)
        yield found


@pytest.fixture
def job_key(emulator):
    """Where a task of a configuration goes."""

    async def found(service: BatchService, variables: dict[str, Any]):
        try:
            return await job_key_for(service, AzureBatchJobConfiguration(**variables), PREFIX, task_id(uuid4(), 1))
        finally:
            await service.close()

    def ask(**variables):
        credentials = AzureBatchCredentials(
            endpoint=emulator.endpoint, account_name=emulator.account, account_key=emulator.key
        )
        return asyncio.run(
            found(open_service(credentials.endpoint, credentials.get_credential(), RetryPolicy(20)), variables)
        )

    return ask


def state(run: FlowRun) -> State[Any]:
    assert run.state
    return run.state


def pool(emulator, name: str):
    with emulator.client() as client:
        return client.get_pool(name)


def test_a_pool_that_exists_is_used_as_it_is(job_key, emulator):
    found = job_key(pool_id="PLAIN", required_slots=4, new_pool=SMALL, priority=7)
    assert (found.pool, found.priority, found.own_task) == ("plain", 7, None)
    assert pool(emulator, "plain").task_slots_per_node == 4


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "pool_id: no Batch pool is configured"),
        ({"pool_id": "plain", "required_slots": 5}, "required_slots: 5 are asked for, and a node of pool plain has 4"),
        ({"pool_id": "plain", "image": "x.io/etl:1"}, "do not run containers"),
        ({"pool_id": "containers"}, "run containers only"),
        ({"temporary_pool": True, "new_pool": SMALL, "required_slots": 2}, "a node of new_pool has 1"),
    ],
)
def test_what_could_never_run_is_refused_before_a_task_is_made(job_key, variables, words):
    with pytest.raises(ConfigurationError, match=words):
        job_key(**variables)


def test_a_pool_that_is_being_deleted_is_refused(job_key, emulator):
    create_pool(emulator, "going")
    emulator.advance("PT5M")
    with emulator.client() as client:
        client._delete_pool_internal("going")
    with pytest.raises(ConfigurationError, match="being deleted"):
        job_key(pool_id="going")


def test_a_pool_that_is_not_there_is_refused_when_nothing_says_what_it_is_made_of(job_key):
    with pytest.raises(ConfigurationError, match="pool_id: the account has no pool no-such-pool"):
        job_key(pool_id="no-such-pool")


def test_a_pool_is_not_made_for_a_task_that_could_not_run_in_it(job_key, emulator):
    for wrong in ({"containers": True}, {"containers": False, "slots": 1}):
        with pytest.raises(ConfigurationError, match=r"image: .* give an image|required_slots: .* new_pool has 1"):
            job_key(pool_id="never", new_pool=SMALL | wrong, required_slots=2)
    with emulator.client() as client:
        assert "never" not in {pool.id for pool in client.list_pools()}


def test_a_pool_is_made_as_it_is_described(job_key, emulator):
    described = SMALL | {
        "slots": 4,
        "formula": "spot-with-floor",
        "nodes": 2,
        "spot_nodes": 5,
        "subnet": "/subscriptions/x/resourceGroups/y/providers/Microsoft.Network/virtualNetworks/z/subnets/s",
        "start_task": {"command": "echo 'ready'", "retries": 2},
    }
    assert job_key(pool_id="made", new_pool=described, required_slots=2).pool == "made"
    made = pool(emulator, "made")
    assert (made.vm_size, made.task_slots_per_node, made.enable_auto_scale) == ("standard_d2s_v5", 4, True)
    assert made.auto_scale_evaluation_interval == timedelta(minutes=5)
    assert "(pending + 1) / 2" in made.auto_scale_formula  # two runs on a node
    assert made.network_configuration.subnet_id == described["subnet"]
    assert made.start_task.command_line == """/bin/sh -c 'echo '"'"'ready'"'"''"""
    assert (made.start_task.wait_for_success, made.start_task.max_task_retry_count) == (True, 2)
    assert made.virtual_machine_configuration.container_configuration is None
    assert job_key(pool_id="made", new_pool=described).pool == "made"  # and a second time it is found


def test_a_pool_of_a_fixed_size_for_containers(job_key, emulator):
    registry = {"server": "x.io", "username": "me", "password": "hush"}
    described = {
        "vm_size": "standard_d2s_v5",
        "formula": "fixed",
        "nodes": 2,
        "spot_nodes": 1,
        "prefetch": ["x.io/a:1"],
    }
    job_key(pool_id="fixed", new_pool=described, image="x.io/a:1", registry=registry)
    made = pool(emulator, "fixed")
    assert (made.target_dedicated_nodes, made.target_low_priority_nodes, made.enable_auto_scale) == (2, 1, False)
    containers = made.virtual_machine_configuration.container_configuration
    assert containers.container_image_names == ["x.io/a:1"]
    assert containers.container_registries[0].registry_server == "x.io"


@pytest.mark.parametrize(("nodes", "spot", "expected"), [(1, 0, (1, 0)), (0, 3, (0, 1)), (2, 3, (1, 0))])
def test_a_temporary_pool_is_of_one_node_and_says_whose_it_is(job_key, nodes, spot, expected):
    found = job_key(temporary_pool=True, new_pool=SMALL | {"nodes": nodes, "spot_nodes": spot})
    made = found.auto_pool
    assert (made.pool.target_dedicated_nodes, made.pool.target_low_priority_nodes) == expected
    assert (made.pool_lifetime_option, made.keep_alive, made.auto_pool_id_prefix) == ("job", False, "prefect")
    assert made.pool.metadata[0].value == own_job_of(PREFIX, found.own_task)


def test_a_temporary_pool_lives_as_long_as_its_run(prefect_api):
    """The job is made for the run, ends with it, and the pool goes with the job."""
    with running_emulator(speed=60, executor="processes") as emulator:
        stage = make_stage(prefect_api, emulator, pool_id=None, temporary_pool=True, new_pool=SMALL, command=EXECUTE)
        with stage.worker(), emulator.client() as client:
            run = stage.start(stage.deploy("hello"), name="own")
            (made,) = until(lambda: list(client.list_pools()), 60)
            assert made.id.startswith("prefect_")
            assert state(stage.ended(run)).name == "Completed", stage.states(run)
            mark = (made.metadata or [])[0]
            assert run.hex in mark.value
            job = until(lambda: [job for job in client.list_jobs() if job.state == "completed"], 60)
            assert [one.id for one in job] == [mark.value]
            until(lambda: not list(client.list_pools()), 60)


def test_a_run_whose_temporary_pool_cannot_be_made_says_so(prefect_api):
    with running_emulator(speed=60, executor="processes", pools=1) as emulator:
        create_pool(emulator)
        stage = make_stage(prefect_api, emulator, pool_id=None, temporary_pool=True, new_pool=SMALL)
        with stage.worker():
            run = stage.start(stage.deploy("hello"))
            waiting = stage.until(run, lambda found: state(found).name == "InfrastructurePending")
            assert "quota of pools" in str(state(waiting).message)
            stage.cancel(run)
            assert state(stage.ended(run)).name == "Cancelled"
