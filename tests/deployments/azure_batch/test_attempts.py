"""Runs that are retried, deleted, forced into a state, suspended, or lost: each attempt is judged by its own task, what
is final is over, and no slot of a limit is lost. On a real server and the emulator; `tests/reliability` searches it."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.states import AwaitingRetry, Cancelled, Completed, Crashed, Failed, Pending, Running, Scheduled, Suspended

from prefect_azure_batch import AzureBatchWorker
from prefect_azure_batch.service.diagnosis import lower
from prefect_azure_batch.service.identifiers import Infrastructure
from tests.deployments.azure_batch.batch_launcher.flow_runs import FlowRuns
from tests.deployments.azure_batch.stage import (
    FOREVER,
    SETTINGS_HERE,
    Stage,
    abandon,
    is_final,
    new_worker,
    tasks_of,
    until,
)

HASTY = SETTINGS_HERE.model_copy(update={"whole_list_polls": 1})


def states_of(stage: Stage, run: UUID) -> dict[int, str]:
    """Of the run's tasks, by attempt."""
    return {int(task.id.rpartition("-")[2]): lower(task.state) for task in tasks_of(stage, run)}


async def begin(stage: Stage, worker: AzureBatchWorker, client: PrefectClient, run: UUID, attempt: int = 1) -> None:
    """Submits the run, which says Running once its task runs."""
    await worker.get_and_submit_flow_runs()
    await until(lambda: states_of(stage, run).get(attempt) == "running")
    await client.set_flow_run_state(run, Running(), force=True)


def ending(code: int) -> dict[str, str]:
    """A simulated task that goes on until it is ended, with this exit code."""
    return FOREVER | {"EMULATOR_SIMULATE_EXIT_CODE": str(code)}


def end(stage: Stage, run: UUID) -> None:
    place = Infrastructure.parse(stage.read(run).infrastructure_pid or "")
    stage.emulator.admin(f"tasks/{place.job}/{place.task}/end", method="POST")


def check(stage: Stage, work: Callable[[AzureBatchWorker, PrefectClient], Any], limit: int | None = None) -> Any:
    async def whole() -> Any:
        async with new_worker(stage, name="same", settings=HASTY, limit=limit) as worker, get_client() as client:
            found = await work(worker, client)
            abandon(worker)
            return found

    return asyncio.run(whole())


@pytest.mark.parametrize("again", [AwaitingRetry(), Scheduled()], ids=lambda state: state.name)
def test_a_run_that_is_retried_while_its_task_goes_on_gets_another_and_one_slot(stage, again):
    run = stage.start(stage.deploy("hello", env=FOREVER))

    async def work(worker: AzureBatchWorker, client: PrefectClient) -> Any:
        await begin(stage, worker, client, run)
        await client.set_flow_run_state(run, Failed(), force=True)
        await client.set_flow_run_state(run, again, force=True)
        await begin(stage, worker, client, run, attempt=2)
        await until(lambda: states_of(stage, run) == {1: "completed", 2: "running"})
        await until(lambda: len(next(iter(worker.accounts)).observer._observed_tasks) == 1)
        return worker.limiter.borrowed_tokens, stage.read(run).state.name

    assert check(stage, work, limit=1) == (1, "Running")


def test_a_run_that_suspended_itself_is_resumed_at_once(stage):
    run = stage.start(stage.deploy("hello", env=FOREVER))

    async def work(worker: AzureBatchWorker, client: PrefectClient) -> Any:
        await begin(stage, worker, client, run)
        await client.set_flow_run_state(run, Suspended(timeout_seconds=600), force=True)
        await client.resume_flow_run(run)
        await begin(stage, worker, client, run, attempt=2)
        return worker.limiter.borrowed_tokens

    assert check(stage, work, limit=1) == 1


def test_a_slot_is_free_again_when_the_deployment_was_deleted(stage):
    deployment = stage.deploy("hello", env=FOREVER)
    run, other = stage.start(deployment), stage.start(stage.deploy("hello", env=FOREVER))

    async def work(worker: AzureBatchWorker, client: PrefectClient) -> Any:
        found = [entry for entry in await scheduled(worker) if entry.flow_run.id == run]
        await client.delete_deployment(deployment)
        await worker._submit_scheduled_flow_runs(found)
        await until(lambda: not worker.submitting)
        await begin(stage, worker, client, other)
        return worker.limiter.borrowed_tokens

    assert check(stage, work, limit=1) == 1


async def scheduled(worker: AzureBatchWorker) -> Any:
    return await worker.client.get_scheduled_flow_runs_for_work_pool(worker.work_pool.name)


@pytest.mark.parametrize(
    "final",
    [Failed(message="by hand"), Crashed(message="by an automation"), Cancelled(message="its process says so")],
    ids=lambda state: state.name,
)
def test_the_task_of_a_run_that_is_final_is_ended_after_its_grace(stage, final):
    run = stage.start(stage.deploy("hello", env=FOREVER, cancel_grace=1))

    async def work(worker: AzureBatchWorker, client: PrefectClient) -> Any:
        await begin(stage, worker, client, run)
        await client.set_flow_run_state(run, final, force=True)
        await until(lambda: states_of(stage, run) == {1: "completed"})
        await until(lambda: not worker.in_flight)
        return stage.read(run).state.message

    assert check(stage, work) == final.message


@pytest.mark.parametrize("pool", ["nodes", "empty"])
def test_the_task_of_a_run_that_is_deleted_is_ended(stage, pool):
    run = stage.start(stage.deploy("hello", env=FOREVER, pool_id=pool))

    async def work(worker: AzureBatchWorker, client: PrefectClient) -> Any:
        await worker.get_and_submit_flow_runs()
        await until(lambda: states_of(stage, run) == {1: "running" if pool == "nodes" else "active"})
        await client.delete_flow_run(run)
        await until(lambda: states_of(stage, run) == {1: "completed"})
        await until(lambda: not worker.in_flight)

    check(stage, work)


def test_a_task_that_nobody_watches_is_ended_when_its_run_was_deleted(stage):
    run = stage.start(stage.deploy("hello", env=FOREVER))

    async def submit(worker: AzureBatchWorker, client: PrefectClient) -> Any:
        await begin(stage, worker, client, run)

    async def work(worker: AzureBatchWorker, client: PrefectClient) -> Any:
        await client.delete_flow_run(run)
        await worker.reconciler().once()

    check(stage, submit)
    check(stage, work)
    assert states_of(stage, run) == {1: "completed"}


def test_the_old_attempt_s_death_says_nothing_of_the_new_one(stage):
    run = stage.start(stage.deploy("hello", env=ending(137)))

    async def work(worker: AzureBatchWorker, client: PrefectClient) -> Any:
        await begin(stage, worker, client, run)
        (first,) = [observed for account in worker.accounts for observed in account.observer._observed_tasks.values()]
        states: list[State[Any]] = [Failed(), AwaitingRetry(), Pending(), Running()]
        for state in states:  # another worker has it by now
            await client.set_flow_run_state(run, state, force=True)
        await asyncio.to_thread(end, stage, run)
        await asyncio.wait_for(asyncio.shield(first.result), 60)
        return stage.read(run).state.name

    assert check(stage, work) == "Running"


def test_a_retried_run_whose_worker_died_before_it_had_a_task_is_submitted(stage):
    run = stage.start(stage.deploy("hello", env=ending(1)))

    async def first(worker: AzureBatchWorker, client: PrefectClient) -> Any:
        await begin(stage, worker, client, run)
        await client.set_flow_run_state(run, Failed(), force=True)
        await asyncio.to_thread(end, stage, run)
        await until(lambda: states_of(stage, run) == {1: "completed"})
        await client.set_flow_run_state(run, AwaitingRetry(), force=True)
        await client.set_flow_run_state(run, Pending())

    async def work(worker: AzureBatchWorker, client: PrefectClient) -> Any:
        async def taken_over() -> bool:
            await worker.reconciler().once()
            return states_of(stage, run).get(2) == "running"

        for _ in range(100):
            if await taken_over():
                return stage.read(run).state.type
            await asyncio.sleep(0.2)  # polled: it is an orphan only after some time
        return stage.states(run)

    check(stage, first)
    assert check(stage, work) == "PENDING"


@pytest.mark.parametrize(("code", "left"), [(137, "CRASHED"), (0, "SCHEDULED")])
def test_a_process_that_ends_while_it_waits_for_its_retry_does_not_wait_for_ever(stage, code, left):
    """What it gave back itself, with code 0, is executed by a worker."""
    run = stage.start(stage.deploy("hello", env=ending(code)))
    runs = FlowRuns(stage.api)

    async def work(worker: AzureBatchWorker, client: PrefectClient) -> Any:
        await begin(stage, worker, client, run)
        runs.set_retries(str(run), 1, delay_seconds=0)
        await client.set_flow_run_state(run, Failed())
        assert stage.states(run)[-1].startswith("AwaitingRetry")
        await asyncio.to_thread(end, stage, run)
        await until(lambda: not worker.in_flight)
        found = stage.read(run).state
        if code == 0:
            await begin(stage, worker, client, run, attempt=2)
        return found.type, found.message

    state, message = check(stage, work)
    assert state == left
    assert code == 0 or "exit code 137" in message
    assert code == 0 or "waiting for its next try" in message


def test_a_worker_leaves_the_orphans_of_other_queues(stage):
    run = stage.start(stage.deploy("hello", env=FOREVER))

    async def work() -> Any:
        async with get_client() as client:
            await client.set_flow_run_state(run, Pending())
            await client.create_work_queue("another", work_pool_name=stage.work_pool)
            settings = SETTINGS_HERE.model_copy(update={"orphan_seconds": 0.001})
            async with new_worker(stage, settings=settings, work_queues=["another"]) as worker:
                await worker.reconciler().once()
            async with new_worker(stage, settings=settings, work_queues=["default"]) as worker:
                await worker.reconciler().once()
                await until(lambda: states_of(stage, run))
                abandon(worker)

    asyncio.run(work())
    assert [state for state in stage.states(run) if state.startswith("Resubmitting")]


def test_the_limit_waits_for_a_run_s_task_and_no_longer(stage):
    runs = [stage.start(stage.deploy("hello", env=FOREVER)) for _ in range(2)]

    async def work(worker: AzureBatchWorker, client: PrefectClient) -> Any:
        await worker.get_and_submit_flow_runs()
        await until(lambda: any(states_of(stage, run) for run in runs))
        (first,) = [run for run in runs if states_of(stage, run)]
        (second,) = set(runs) - {first}
        await worker.get_and_submit_flow_runs()
        assert not states_of(stage, second)
        await client.set_flow_run_state(first, Completed(), force=True)
        await asyncio.to_thread(end, stage, first)
        await until(lambda: not worker.in_flight)
        await worker.get_and_submit_flow_runs()
        await until(lambda: states_of(stage, second))
        await until(is_final(stage, first))
        return worker.limiter.borrowed_tokens

    assert check(stage, work, limit=1) == 1
