"""What a run is told of its task: why it waits, and how it ended when it has not said so itself."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.batch import models
from prefect.client.orchestration import get_client
from prefect.states import AwaitingRetry, Cancelling, Completed, Running

from azure_batch_emulator.running_emulator import running_emulator
from prefect_azure_batch.prefect_api.runs import PrefectRuns
from prefect_azure_batch.service.identifiers import Infrastructure
from tests.deployments.azure_batch.stage import (
    FOREVER,
    KILLED,
    Stage,
    abandon,
    create_pool,
    is_final,
    make_stage,
    new_worker,
    until,
)

AT_ONCE = {"EMULATOR_SIMULATE_SECONDS": "1"}


def test_a_pool_that_is_gone_keeps_nobody_from_being_told_why_it_waits(stage):
    create_pool(stage.emulator, "vanishing", nodes=0)
    lost = stage.start(stage.deploy("hello", pool_id="vanishing"))
    waiting = stage.start(stage.deploy("hello", pool_id="empty"))

    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            await worker.get_and_submit_flow_runs()
            await until(lambda: all(stage.read(run).infrastructure_pid for run in (lost, waiting)))
            with stage.emulator.client() as batch:
                batch.begin_delete_pool("vanishing")
            stage.emulator.advance("PT10M")
            for run, words in ((lost, "does not exist any more"), (waiting, "it has no node")):
                await until(lambda: words in (stage.read(run).state.message or ""))  # noqa: B023 - called at once
                await client.set_flow_run_state(run, Cancelling())
            await until(lambda: not worker.known_runs)

    asyncio.run(work())


def test_a_disabled_job_is_why_a_run_waits(stage):
    run = stage.start(stage.deploy("hello", env=FOREVER, pool_id="empty", priority=7))

    async def work() -> Any:
        async with new_worker(stage) as worker:
            await worker.get_and_submit_flow_runs()
            await until(lambda: stage.read(run).infrastructure_pid)
            infrastructure = Infrastructure.parse(stage.read(run).infrastructure_pid)
            await asyncio.to_thread(disable, stage, infrastructure.job)
            await until(lambda: "disabled" in (stage.read(run).state.message or ""))
            await asyncio.to_thread(enable, stage, infrastructure.job)
            await until(lambda: "pool empty" in (stage.read(run).state.message or ""))
            abandon(worker)
            return infrastructure.job

    with stage.emulator.client() as client:
        assert client.get_job(asyncio.run(work())).priority == 7
    messages = [state for state in stage.states(run) if state.startswith("InfrastructurePending")]
    assert any("somebody has disabled: enable it" in state for state in messages)


def test_nodes_that_are_lost_are_not_called_busy(prefect_api):
    with running_emulator(speed=0) as emulator:
        create_pool(emulator, nodes=3, spot=1)
        with emulator.client() as client:
            emulator.advance_until(lambda: [node.state for node in client.list_nodes("nodes")] == 4 * ["idle"])
            first, second, third = [node.id for node in client.list_nodes("nodes") if node.is_dedicated]
            (spot,) = [node.id for node in client.list_nodes("nodes") if not node.is_dedicated]
            client.disable_node_scheduling(
                "nodes", third, models.BatchNodeDisableSchedulingOptions(node_disable_scheduling_option="requeue")
            )
        for node, what in ((first, "fail"), (second, "fail"), (spot, "preempt")):
            emulator.admin(f"nodes/nodes/{node}/{what}", method="POST")
        stage = make_stage(prefect_api, emulator)
        run = stage.start(stage.deploy("hello", env=FOREVER))

        async def work() -> Any:
            async with new_worker(stage) as worker:
                await worker.get_and_submit_flow_runs()
                await until(lambda: "nodes" in str(stage.read(run).state))
                abandon(worker)

        asyncio.run(work())
    states = "of its 4 nodes 2 are unknown, 1 is offline (scheduling is disabled), 1 is preempted"
    assert states in str(stage.read(run).state)


def disable(stage: Stage, job: str) -> None:
    with stage.emulator.client() as client:
        client.begin_disable_job(job, models.BatchJobDisableOptions(disable_tasks="requeue"))


def enable(stage: Stage, job: str) -> None:
    with stage.emulator.client() as client:
        client.begin_enable_job(job)


def test_a_run_that_is_scheduled_again_is_not_crashed_by_the_end_of_its_task(stage):
    """As when its process was asked to end, and said so to Prefect before it did."""
    run = stage.start(stage.deploy("killed", env=KILLED))

    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            await worker.get_and_submit_flow_runs()
            await until(lambda: stage.read(run).infrastructure_pid)
            await client.set_flow_run_state(run, Running())
            await client.set_flow_run_state(run, AwaitingRetry(scheduled_time=datetime.now(UTC) + timedelta(hours=1)))
            told = await PrefectRuns(client, stage.work_pool).set_waiting(run, "for nothing")
            await until(lambda: not worker.known_runs)
            return told

    assert asyncio.run(work()) is False
    assert stage.read(run).state.name == "AwaitingRetry"


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


def test_a_run_that_ended_otherwise_is_left_as_it_is(stage):
    run = stage.start(stage.deploy("killed", env=KILLED))

    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            await worker.get_and_submit_flow_runs()
            await until(lambda: stage.read(run).infrastructure_pid)
            await client.set_flow_run_state(run, Running())
            await client.set_flow_run_state(run, Completed())
            await until(lambda: not worker.known_runs)

    asyncio.run(work())
    assert stage.read(run).state.name == "Completed"
