"""A worker with its queue, its limit, its credentials, and what Prefect asks of it."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import InfrastructureNotAvailable, InfrastructureNotFound
from prefect.settings import PREFECT_API_KEY, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import AwaitingRetry, Pending

from prefect_azure_batch import AzureBatchWorker
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from tests.deployments.azure_batch.stage import (
    FOREVER,
    KILLED,
    Stage,
    abandon,
    abandoned,
    asking,
    is_final,
    new_worker,
    queued,
    submit,
    tasks_of,
    until,
)
from tests.servers.fault_proxy import Fault, Request, Rule, fault_proxy, refusal

AT_ONCE = {"EMULATOR_SIMULATE_SECONDS": "1"}


def test_the_limit_holds(stage):
    deployment = stage.deploy("hello", env=FOREVER)
    runs = [stage.start(deployment) for _ in range(4)]

    async def work() -> Any:
        async with new_worker(stage, limit=2) as worker:
            for _ in range(3):
                await worker.get_and_submit_flow_runs()
                await until(lambda: sum(bool(stage.read(run).infrastructure_pid) for run in runs) >= 2)
            abandon(worker)

    asyncio.run(work())
    assert sum(bool(stage.read(run).infrastructure_pid) for run in runs) == 2


def test_a_retried_run_gets_a_task_of_its_own(stage):
    run = stage.start(stage.deploy("killed", env=AT_ONCE | {"EMULATOR_SIMULATE_EXIT_CODE": "1"}))

    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            await worker.get_and_submit_flow_runs()
            await until(is_final(stage, run))
            await client.set_flow_run_state(run, AwaitingRetry(), force=True)
            await client.set_flow_run_state(run, Pending())
            configuration = await AzureBatchJobConfiguration.resolve_for_flow_run(
                await client.read_flow_run(run), client=client, work_pool=worker.work_pool, worker_name="w"
            )
            await worker.run(await client.read_flow_run(run), configuration)

    asyncio.run(work())
    assert sorted(task.id[-2:] for task in tasks_of(stage, run)) == ["-1", "-2"]


def test_infrastructure_is_killed_by_its_identifier_alone(stage):
    run = stage.start(stage.deploy("hello", env=FOREVER))

    async def work() -> Any:
        await abandoned(stage, run)
        infrastructure = stage.read(run).infrastructure_pid
        async with new_worker(stage) as worker, get_client() as client:
            configuration = await AzureBatchJobConfiguration.resolve_for_flow_run(
                stage.read(run), client=client, work_pool=worker.work_pool, worker_name="w"
            )
            await worker.kill_infrastructure(infrastructure, configuration)
            await until(lambda: tasks_of(stage, run)[0].state == "completed")
            with pytest.raises(InfrastructureNotFound):
                await worker.kill_infrastructure(infrastructure, configuration)
            for other in ("azurebatch://elsewhere/job/task", "cluster::task"):
                with pytest.raises(InfrastructureNotAvailable):
                    await worker.kill_infrastructure(other, configuration)

    asyncio.run(work())


def test_a_worker_with_a_key_refuses_to_write_it_down(stage):
    run = stage.start(stage.deploy("hello", env=AT_ONCE))

    async def work() -> Any:
        with temporary_settings({PREFECT_API_KEY: "hush"}):
            async with new_worker(stage) as worker:
                await worker.get_and_submit_flow_runs()
                await until(is_final(stage, run))

    asyncio.run(work())
    assert "PREFECT_API_KEY" in stage.read(run).state.message
    assert "hush" not in stage.read(run).state.message
    assert not tasks_of(stage, run)


def test_an_ad_hoc_run_has_an_identifier_as_soon_as_it_has_a_task(stage):
    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            run = await client.create_flow_run_from_deployment(stage.deploy("hello", env=FOREVER), state=Pending())
            configuration = await AzureBatchJobConfiguration.resolve_for_flow_run(
                run, client=client, work_pool=worker.work_pool, worker_name="w"
            )
            await worker.initiate_run(run, configuration)
            return run.id

    run = asyncio.run(work())
    assert stage.read(run).infrastructure_pid.startswith("azurebatch://")


def test_clean_up_is_not_done_one_at_a_time():
    assert (AzureBatchWorker.cleanup_max_concurrency or 0) > 1
    assert "kill_infrastructure" in vars(AzureBatchWorker)


def test_a_worker_that_runs_once_waits_for_the_end(stage):
    run = stage.start(stage.deploy("killed", env=KILLED))
    asyncio.run(new_worker(stage).start(run_once=True))
    assert stage.read(run).state.name == "Crashed"


def test_runs_and_deployments_that_are_deleted_meanwhile_do_not_end_the_worker(stage):
    doomed = stage.deploy("hello", env=FOREVER)
    deleted, orphaned = stage.start(stage.deploy("hello", env=FOREVER)), stage.start(doomed)
    good = stage.start(stage.deploy("hello", env=FOREVER))

    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            found = await queued(worker)
            await client.delete_flow_run(deleted)
            await client.delete_deployment(doomed)
            await submit(worker, found)
            assert stage.read(good).infrastructure_pid
            abandon(worker)
            return len(found)

    assert asyncio.run(work()) == 3
    with stage.client() as client:
        assert orphaned not in [run.id for run in client.read_flow_runs() if run.infrastructure_pid]


def test_a_prefect_that_is_away_does_not_end_the_worker(stage):
    """The run is still in its queue, and is submitted when Prefect is back."""
    run = stage.start(stage.deploy("hello", env=FOREVER))

    async def work() -> Any:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            async with new_worker(stage, limit=1) as worker, PrefectClient("http://127.0.0.1:1/api") as nobody:
                found = await queued(worker)
                with asking(worker, nobody):
                    await submit(worker, found)
                left = stage.read(run).state.name, worker.limiter.borrowed_tokens
                await worker.get_and_submit_flow_runs()
                await until(lambda: stage.read(run).infrastructure_pid)
                abandon(worker)
                return left

    assert asyncio.run(work()) == ("Scheduled", 0)


def test_an_error_of_prefect_while_a_run_is_prepared_is_no_crash_and_loses_nothing(stage):
    """Each of what is read of a run is refused once, in a way of its own; the deployment is read by its queue first."""
    faults: dict[str, list[Any]] = {
        "/api/flows/": [refusal(500, "InternalServerError", "database is locked"), Fault.RESET],
        "/api/deployments/": [None, refusal(500, "InternalServerError", "database is locked")],
        "/api/block_documents/": [Fault.BUSY, refusal(429, "TooManyRequests", "slow down")],
        "/api/flow_run_states/": [refusal(500, "InternalServerError", "database is locked")],
        # Its labels, and where it is: the observer writes that down then.
        "/api/flow_runs/": [Fault.BUSY, refusal(500, "InternalServerError", "database is locked")],
    }

    def rule(request: Request) -> Any:
        method = "PATCH" if request.target.startswith("/api/flow_runs/") else "GET"
        name = next((name for name in faults if request.method == method and request.target.startswith(name)), None)
        return faults[name].pop(0) if name and faults[name] else None

    deployment = stage.deploy("hello", env=FOREVER)
    with stage.client() as client:
        run = client.create_flow_run_from_deployment(deployment, job_variables={"env": {"OF_THE_RUN": "1"}}).id
    prepared_by_way_of(stage, rule, run)
    assert not any(faults.values())
    (task,) = tasks_of(stage, run)
    assert {"OF_THE_RUN", *FOREVER} <= {setting.name for setting in task.environment_settings or ()}


def test_what_prefect_refuses_while_a_run_is_prepared_is_told_at_once(stage):
    def rule(request: Request) -> Any:
        return refusal(403, "Forbidden", "not yours") if request.target.startswith("/api/flows/") else None

    run = stage.start(stage.deploy("hello", env=FOREVER))
    seen = prepared_by_way_of(stage, rule, run)
    assert "403" in stage.read(run).state.message
    assert sum(request.target.startswith("/api/flows/") for request in seen) == 1


def prepared_by_way_of(stage: Stage, rule: Rule, run: UUID) -> list[Request]:
    """What a worker asked a Prefect that answers so until the run has a task or has ended."""

    async def work() -> Any:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), fault_proxy(stage.api, rule) as proxy:
            async with new_worker(stage) as worker, PrefectClient(proxy.url) as client:
                found = await queued(worker)
                with asking(worker, client):
                    await submit(worker, found)
                    await until(lambda: stage.read(run).infrastructure_pid or is_final(stage, run)())
                    abandon(worker)
            return proxy.seen

    return list(asyncio.run(work()))
