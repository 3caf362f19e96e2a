"""A worker beside others, after others, and within its limit: simulated tasks, a real Prefect server."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from azure.batch import models
from prefect.client.orchestration import get_client
from prefect.exceptions import InfrastructureNotAvailable, InfrastructureNotFound
from prefect.settings import PREFECT_API_KEY, temporary_settings
from prefect.states import AwaitingRetry, Completed, Pending, Running

from deployments.azure_batch.configuration import AzureBatchJobConfiguration
from deployments.azure_batch.identifiers import Infrastructure
from deployments.azure_batch.sweep import Sweep
from tests.deployments.azure_batch.stage import (
    FOREVER,
    KILLED,
    SETTINGS_HERE,
    Stage,
    abandon,
    new_worker,
    until,
)

AT_ONCE = {"EMULATOR_SIMULATE_SECONDS": "1"}


async def abandoned(stage: Stage, *runs: UUID, name: str = "same") -> None:
    """A worker submits the runs and is gone, as one that was killed: it says nothing any more."""
    worker = new_worker(stage, name=name)
    await worker.__aenter__()
    await worker.get_and_submit_flow_runs()
    await until(lambda: all(stage.read(run).infrastructure_pid for run in runs))
    abandon(worker)
    await worker.__aexit__(None, None, None)


def is_final(stage: Stage, *runs: UUID) -> Callable[[], bool]:
    return lambda: all(bool((state := stage.read(run).state) and state.is_final()) for run in runs)


def tasks(stage: Stage, run: UUID) -> list[models.BatchTask]:
    with stage.emulator.client() as client:
        jobs = [job.id for job in client.list_jobs() if job.id.startswith(stage.work_pool[:14])]
        return [task for job in jobs for task in client.list_tasks(job) if task.id.startswith(str(run))]


def test_after_a_restart_runs_that_have_a_task_are_watched_to_their_end(stage):
    run, waiting = stage.start(stage.deploy("killed", env=KILLED)), stage.start(stage.deploy("hello", pool_id="empty"))

    async def work() -> Any:
        await abandoned(stage, run, waiting)
        async with new_worker(stage, name="same") as worker:
            await Sweep(worker).once()
            await until(is_final(stage, run))
            stage.cancel(waiting)
            await until(is_final(stage, waiting))

    asyncio.run(work())
    assert "exit code 137" in stage.read(run).state.message
    assert stage.read(waiting).state.name == "Cancelled"
    assert len(tasks(stage, run)) == 1


def test_a_run_whose_worker_died_before_it_had_a_task_is_submitted_once(stage):
    run = stage.start(stage.deploy("hello", env=AT_ONCE))

    async def work() -> Any:
        async with get_client() as client:
            await client.set_flow_run_state(run, Pending())
        async with new_worker(stage, name="a") as one, new_worker(stage, name="b") as two:
            await asyncio.sleep(SETTINGS_HERE.orphan_seconds)  # what is tested: only after this time it is an orphan
            await asyncio.gather(Sweep(one).once(), Sweep(two).once())
            await until(is_final(stage, run))

    asyncio.run(work())
    assert len(tasks(stage, run)) == 1


def test_a_task_whose_worker_died_before_it_said_so_is_found(stage):
    run = stage.start(stage.deploy("hello", env=FOREVER))

    async def work() -> Any:
        await abandoned(stage, run)
        async with get_client() as client:
            await client.update_flow_run(run, infrastructure_pid="")
        async with new_worker(stage, name="same") as worker:
            await asyncio.sleep(SETTINGS_HERE.orphan_seconds)  # what is tested: only after this time it is an orphan
            await Sweep(worker).once()
            await until(lambda: stage.read(run).infrastructure_pid)

    asyncio.run(work())
    place = Infrastructure.parse(stage.read(run).infrastructure_pid)
    assert [task.id for task in tasks(stage, run)] == [place.task]


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


def test_an_adopted_run_takes_a_place_of_the_limit(stage):
    run = stage.start(stage.deploy("hello", env=FOREVER))

    async def work() -> Any:
        await abandoned(stage, run, name="same")
        async with new_worker(stage, name="same", limit=1) as worker:
            await Sweep(worker).once()
            return worker.limiter.borrowed_tokens

    assert asyncio.run(work()) == 1


def test_a_worker_of_another_name_takes_over_before_prefect_calls_the_first_one_offline(stage):
    own = stage.deploy("hello", env=FOREVER, cancel_grace=7, stream_output=True)
    run, plain = stage.start(own), stage.start(stage.deploy("hello", env=FOREVER))

    async def work() -> Any:
        await abandoned(stage, run, plain, name="first")
        async with new_worker(stage, name="second") as worker, get_client() as client:
            await client.send_worker_heartbeat(stage.work_pool, "first", heartbeat_interval_seconds=600)
            await Sweep(worker).once()
            early = worker.cared_for
            await client.send_worker_heartbeat(stage.work_pool, "first", heartbeat_interval_seconds=4)
            while (missing := (await worker.runs.missing_heartbeats())["first"]) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.2)  # polled; a worker that Prefect calls offline is not among them
            await Sweep(worker).once()
            (site,) = worker.sites
            watches = {watch.run: (watch.grace, watch.stream) for watch in site.observer._watches.values()}
            return early, missing, watches

    early, missing, watches = asyncio.run(work())
    assert early == set()  # its worker may be alive
    assert missing < 3  # what Prefect waits for
    assert watches == {run: (7, True), plain: (60, False)}


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
    assert sorted(task.id[-2:] for task in tasks(stage, run)) == ["-1", "-2"]


def test_a_run_that_ended_well_and_says_nothing_is_not_left_behind(stage):
    run = stage.start(stage.deploy("hello", env=AT_ONCE))

    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            await worker.get_and_submit_flow_runs()
            await until(lambda: stage.read(run).infrastructure_pid)
            await client.set_flow_run_state(run, Running())
            await until(is_final(stage, run))

    asyncio.run(work())
    assert "exit code 0" in stage.read(run).state.message


def test_a_deleted_task_and_a_deleted_flow_run_harm_nobody(stage):
    deployment = stage.deploy("hello", env=FOREVER)
    vanished, deleted = stage.start(deployment), stage.start(deployment)

    async def work() -> Any:
        async with new_worker(stage) as worker:
            await worker.get_and_submit_flow_runs()
            await until(lambda: stage.read(vanished).infrastructure_pid and stage.read(deleted).infrastructure_pid)
            with stage.emulator.client() as client:
                for run in (vanished, deleted):
                    place = Infrastructure.parse(stage.read(run).infrastructure_pid)
                    client.delete_task(place.job, place.task)
            with stage.client() as client:
                client.delete_flow_run(deleted)
            await until(lambda: not worker.cared_for)

    asyncio.run(work())
    assert "deleted before it ended" in stage.read(vanished).state.message


def test_a_run_that_ended_otherwise_is_left_as_it_is(stage):
    run = stage.start(stage.deploy("killed", env=KILLED))

    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            await worker.get_and_submit_flow_runs()
            await until(lambda: stage.read(run).infrastructure_pid)
            await client.set_flow_run_state(run, Running())
            await client.set_flow_run_state(run, Completed())
            await until(lambda: not worker.cared_for)

    asyncio.run(work())
    assert stage.read(run).state.name == "Completed"


def test_infrastructure_is_killed_by_its_identifier_alone(stage):
    run = stage.start(stage.deploy("hello", env=FOREVER))

    async def work() -> Any:
        await abandoned(stage, run)
        place = stage.read(run).infrastructure_pid
        async with new_worker(stage) as worker, get_client() as client:
            configuration = await AzureBatchJobConfiguration.resolve_for_flow_run(
                stage.read(run), client=client, work_pool=worker.work_pool, worker_name="w"
            )
            await worker.kill_infrastructure(place, configuration)
            await until(lambda: tasks(stage, run)[0].state == "completed")
            with pytest.raises(InfrastructureNotFound):
                await worker.kill_infrastructure(place, configuration)
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
    assert not tasks(stage, run)


def test_an_ad_hoc_run_has_an_identifier_as_soon_as_it_has_a_task(stage):
    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            run = await client.create_flow_run_from_deployment(stage.deploy("hello", env=FOREVER), state=Pending())
            configuration = await AzureBatchJobConfiguration.resolve_for_flow_run(
                run, client=client, work_pool=worker.work_pool, worker_name="w"
            )
            await worker._initiate_run(run, configuration)
            return run.id

    run = asyncio.run(work())
    assert stage.read(run).infrastructure_pid.startswith("azurebatch://")


def test_watching_costs_one_list_for_each_poll_whatever_the_number_of_runs(stage):
    deployment = stage.deploy("hello", env=FOREVER)
    runs = [stage.start(deployment) for _ in range(12)]

    async def work() -> Any:
        async with new_worker(stage) as worker:
            await worker.get_and_submit_flow_runs()
            await until(lambda: all(stage.read(run).infrastructure_pid for run in runs))
            (site,) = worker.sites
            stage.emulator.admin("calls", method="DELETE")
            before = site.observer._polls
            await until(lambda: site.observer._polls - before >= 4)
            calls, polls = stage.emulator.admin("calls")["operations"], site.observer._polls - before
            abandon(worker)
            return calls, polls

    calls, polls = asyncio.run(work())
    assert calls["list_tasks"] <= polls + 1
    assert "get_task" not in calls
