"""Runs whose worker is gone, and the workers that take them over."""

import asyncio
from typing import Any

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Pending

from prefect_azure_batch.service.identifiers import Infrastructure
from tests.deployments.azure_batch.stage import (
    FOREVER,
    KILLED,
    SETTINGS_HERE,
    abandoned,
    is_final,
    new_worker,
    tasks_of,
    until,
)

AT_ONCE = {"EMULATOR_SIMULATE_SECONDS": "1"}


def test_after_a_restart_runs_that_have_a_task_are_watched_to_their_end(stage):
    run, waiting = stage.start(stage.deploy("killed", env=KILLED)), stage.start(stage.deploy("hello", pool_id="empty"))

    async def work() -> Any:
        await abandoned(stage, run, waiting)
        async with new_worker(stage, name="same") as worker:
            await worker.reconciler().once()
            await until(is_final(stage, run))
            stage.cancel(waiting)
            await until(is_final(stage, waiting))

    asyncio.run(work())
    assert "exit code 137" in stage.read(run).state.message
    assert stage.read(waiting).state.name == "Cancelled"
    assert len(tasks_of(stage, run)) == 1


def test_a_run_whose_worker_died_before_it_had_a_task_is_submitted_once(stage):
    run = stage.start(stage.deploy("hello", env=AT_ONCE))

    async def work() -> Any:
        async with get_client() as client:
            await client.set_flow_run_state(run, Pending())
        async with new_worker(stage, name="a") as one, new_worker(stage, name="b") as two:
            await asyncio.sleep(SETTINGS_HERE.orphan_seconds)  # what is tested: only after this time it is an orphan
            await asyncio.gather(one.reconciler().once(), two.reconciler().once())
            await until(is_final(stage, run))

    asyncio.run(work())
    assert len(tasks_of(stage, run)) == 1


def test_an_ad_hoc_run_is_its_script_s_to_submit_as_long_as_that_may_upload(stage):
    """`.submit()` makes it Pending, uploads the flow and its files, and then submits it."""

    @flow(name="ad-hoc")
    def ad_hoc() -> None: ...

    async def work(**settings: float) -> Any:
        hasty = SETTINGS_HERE.model_copy(update=settings)
        async with get_client() as client, new_worker(stage, settings=hasty) as worker:
            run = (await client.create_flow_run(ad_hoc, state=Pending(), work_pool_name=stage.work_pool)).id
            await asyncio.sleep(SETTINGS_HERE.orphan_seconds)  # what is tested: after this time others are orphans
            await worker.reconciler().once()
            return stage.read(run)

    assert asyncio.run(work()).state.type == "PENDING"
    given_up = asyncio.run(work(bundle_seconds=SETTINGS_HERE.orphan_seconds))
    assert given_up.state.type == "CRASHED"
    assert "Start it again" in given_up.state.message
    assert not tasks_of(stage, given_up.id)


def test_a_task_whose_worker_died_before_it_said_so_is_found(stage):
    run = stage.start(stage.deploy("hello", env=FOREVER))

    async def work() -> Any:
        await abandoned(stage, run)
        async with get_client() as client:
            await client.update_flow_run(run, infrastructure_pid="")
        async with new_worker(stage, name="same") as worker:
            await asyncio.sleep(SETTINGS_HERE.orphan_seconds)  # what is tested: only after this time it is an orphan
            await worker.reconciler().once()
            await until(lambda: stage.read(run).infrastructure_pid)

    asyncio.run(work())
    infrastructure = Infrastructure.parse(stage.read(run).infrastructure_pid)
    assert [task.id for task in tasks_of(stage, run)] == [infrastructure.task]


def test_an_adopted_run_takes_a_place_of_the_limit(stage):
    run = stage.start(stage.deploy("hello", env=FOREVER))

    async def work() -> Any:
        await abandoned(stage, run, name="same")
        async with new_worker(stage, name="same", limit=1) as worker:
            await worker.reconciler().once()
            return worker.limiter.borrowed_tokens

    assert asyncio.run(work()) == 1


def test_a_worker_of_another_name_takes_over_before_prefect_calls_the_first_one_offline(stage):
    own = stage.deploy("hello", env=FOREVER, cancel_grace=7, stream_output=True)
    run, plain = stage.start(own), stage.start(stage.deploy("hello", env=FOREVER))

    async def work() -> Any:
        await abandoned(stage, run, plain, name="first")
        async with new_worker(stage, name="second") as worker, get_client() as client:
            await client.send_worker_heartbeat(stage.work_pool, "first", heartbeat_interval_seconds=600)
            await worker.reconciler().once()
            early = worker.known_runs
            await client.send_worker_heartbeat(stage.work_pool, "first", heartbeat_interval_seconds=4)
            while (missing := (await worker.runs.missing_heartbeats())["first"]) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.2)  # polled; a worker that Prefect calls offline is not among them
            await worker.reconciler().once()
            (account,) = worker.accounts
            observed_tasks = {
                observed.run: (observed.grace, observed.stream)
                for observed in account.observer._observed_tasks.values()
            }
            return early, missing, observed_tasks

    early, missing, observed_tasks = asyncio.run(work())
    assert early == set()  # its worker may be alive
    assert missing < 3  # what Prefect waits for
    assert observed_tasks == {run: (7, True), plain: (60, False)}
