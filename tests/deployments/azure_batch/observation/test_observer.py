"""Tasks that are watched to their end, whatever becomes of them, and what watching costs."""

import asyncio
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.states import Running

from prefect_azure_batch.service.identifiers import Infrastructure
from tests.deployments.azure_batch.stage import (
    FOREVER,
    KILLED,
    SETTINGS_HERE,
    abandon,
    new_worker,
    until,
)


@pytest.mark.parametrize("kind", ["internal", "busy", "throttled", "reset"])
def test_no_fault_of_the_service_leaves_a_run_behind(stage, kind):
    """Once its task is there nothing may leave `run`, or the flow run would be Running for ever."""
    run = stage.start(stage.deploy("killed", env=KILLED))
    for name in ("list_tasks", "get_task", "get_job"):
        stage.emulator.inject(kind, operation=name, times=4)

    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            await worker.get_and_submit_flow_runs()
            await until(lambda: stage.read(run).infrastructure_pid)
            await client.set_flow_run_state(run, Running())
            await until(lambda: not worker.known_runs)

    asyncio.run(work())
    assert "exit code 137" in stage.read(run).state.message


@pytest.mark.parametrize("polls", [1, 4])
def test_a_deleted_task_and_a_deleted_flow_run_harm_nobody(stage, polls):
    """What is gone is missed when all tasks in flight are listed: at every poll, or at every fourth."""
    deployment = stage.deploy("hello", env=FOREVER)
    vanished, deleted = stage.start(deployment), stage.start(deployment)
    settings = SETTINGS_HERE.model_copy(update={"whole_list_polls": polls})

    async def work() -> Any:
        async with new_worker(stage, settings=settings) as worker:
            await worker.get_and_submit_flow_runs()
            await until(lambda: stage.read(vanished).infrastructure_pid and stage.read(deleted).infrastructure_pid)
            with stage.emulator.client() as client:
                for run in (vanished, deleted):
                    infrastructure = Infrastructure.parse(stage.read(run).infrastructure_pid)
                    client.delete_task(infrastructure.job, infrastructure.task)
            with stage.client() as client:
                client.delete_flow_run(deleted)
            await until(lambda: not worker.known_runs)

    asyncio.run(work())
    assert "deleted before it ended" in stage.read(vanished).state.message


def test_watching_costs_one_list_for_each_poll_whatever_the_number_of_runs(stage):
    deployment = stage.deploy("hello", env=FOREVER)
    runs = [stage.start(deployment) for _ in range(12)]

    async def work() -> Any:
        async with new_worker(stage) as worker:
            await worker.get_and_submit_flow_runs()
            await until(lambda: all(stage.read(run).infrastructure_pid for run in runs))
            (account,) = worker.accounts
            stage.emulator.admin("calls", method="DELETE")
            before = account.observer._polls
            await until(lambda: account.observer._polls - before >= 4)
            calls, polls = stage.emulator.admin("calls")["operations"], account.observer._polls - before
            abandon(worker)
            return calls, polls

    calls, polls = asyncio.run(work())
    assert calls["list_tasks"] <= polls + 1
    assert "get_task" not in calls
