"""The traps of `test_traps.py` that need a Prefect server, and the service."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from azure.batch import models
from prefect.client.orchestration import PrefectClient, get_client
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import AwaitingRetry, Cancelling, Completed, Pending, Running

from deployments.azure_batch.identifiers import Infrastructure
from deployments.azure_batch.runs import Runs
from tests.deployments.azure_batch.stage import (
    FOREVER,
    KILLED,
    Stage,
    abandon,
    create_pool,
    new_worker,
    until,
)


def test_a_worker_that_runs_once_waits_for_the_end(stage):
    run = stage.start(stage.deploy("killed", env=KILLED))
    asyncio.run(new_worker(stage).start(run_once=True))
    assert stage.read(run).state.name == "Crashed"


@pytest.mark.parametrize("kind", ["internal", "busy", "throttled", "reset"])
def test_no_fault_of_the_service_leaves_a_run_behind(stage, kind):
    """Once its task is there nothing may leave `run`, or the flow run would be Running for ever."""
    run = stage.start(stage.deploy("killed", env=KILLED))
    stage.emulator.admin(
        "faults", [{"kind": kind, "operation": name, "times": 4} for name in ("list_tasks", "get_task", "get_job")]
    )

    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            await worker.get_and_submit_flow_runs()
            await until(lambda: stage.read(run).infrastructure_pid)
            await client.set_flow_run_state(run, Running())
            await until(lambda: not worker.cared_for)

    asyncio.run(work())
    assert "exit code 137" in stage.read(run).state.message


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
            await until(lambda: not worker.cared_for)

    asyncio.run(work())


def test_what_the_server_aborts_or_rejects_is_no_exception(stage):
    run = stage.start(stage.deploy("hello"))

    async def work() -> Any:
        async with get_client() as client:
            runs = Runs(client, stage.work_pool)
            await client.set_flow_run_state(run, Pending())
            await client.set_flow_run_state(run, Running())
            aborted = await runs.waiting(run, "for nothing")
            await client.set_flow_run_state(run, Completed())
            # The server itself would take the last two.
            told = await runs.crashed(run, "late"), await runs.waiting(run, "late"), await runs.cancelled(run, "late")
            nobody = await runs.crashed(uuid4(), "deleted"), await runs.read(uuid4())
            return aborted, told, nobody

    assert asyncio.run(work()) == (False, (False, False, False), (False, None))
    assert stage.read(run).state.name == "Completed"


def test_a_run_that_is_scheduled_again_is_not_crashed_by_the_end_of_its_task(stage):
    """As when its process was asked to end, and said so to Prefect before it did."""
    run = stage.start(stage.deploy("killed", env=KILLED))

    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            await worker.get_and_submit_flow_runs()
            await until(lambda: stage.read(run).infrastructure_pid)
            await client.set_flow_run_state(run, Running())
            await client.set_flow_run_state(run, AwaitingRetry(scheduled_time=datetime.now(UTC) + timedelta(hours=1)))
            told = await Runs(client, stage.work_pool).waiting(run, "for nothing")
            await until(lambda: not worker.cared_for)
            return told

    assert asyncio.run(work()) is False
    assert stage.read(run).state.name == "AwaitingRetry"


def test_runs_and_deployments_that_are_deleted_meanwhile_do_not_end_the_worker(stage):
    doomed = stage.deploy("hello", env=FOREVER)
    deleted, orphaned = stage.start(stage.deploy("hello", env=FOREVER)), stage.start(doomed)
    good = stage.start(stage.deploy("hello", env=FOREVER))

    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            found = await worker._get_scheduled_flow_runs()
            await client.delete_flow_run(deleted)
            await client.delete_deployment(doomed)
            await worker._submit_scheduled_flow_runs(found)
            await until(lambda: stage.read(good).infrastructure_pid)
            await until(lambda: not worker._submitting_flow_run_ids)
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
                found, real = await worker._get_scheduled_flow_runs(), worker._client
                worker._client = nobody
                await worker._submit_scheduled_flow_runs(found)
                await until(lambda: not worker._submitting_flow_run_ids)
                left = stage.read(run).state.name, worker.limiter.borrowed_tokens
                worker._client = real
                await worker.get_and_submit_flow_runs()
                await until(lambda: stage.read(run).infrastructure_pid)
                abandon(worker)
                return left

    assert asyncio.run(work()) == ("Scheduled", 0)


def test_a_prefect_that_knows_no_labels_does_not_crash_the_run(stage):
    async def work() -> Any:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            async with new_worker(stage) as worker, PrefectClient("http://127.0.0.1:1/api") as nobody:
                worker._client, real = nobody, worker._client
                with pytest.raises(httpx.HTTPError):
                    await nobody.read_flow_runs()
                await worker._give_worker_labels_to_flow_run(uuid4())
                worker._client = real

    asyncio.run(work())


def test_a_disabled_job_is_why_a_run_waits(stage):
    run = stage.start(stage.deploy("hello", env=FOREVER, pool_id="empty", priority=7))

    async def work() -> Any:
        async with new_worker(stage) as worker:
            await worker.get_and_submit_flow_runs()
            await until(lambda: stage.read(run).infrastructure_pid)
            place = Infrastructure.parse(stage.read(run).infrastructure_pid)
            await asyncio.to_thread(disable, stage, place.job)
            await until(lambda: "disabled" in (stage.read(run).state.message or ""))
            await asyncio.to_thread(enable, stage, place.job)
            await until(lambda: "pool empty" in (stage.read(run).state.message or ""))
            abandon(worker)
            return place.job

    with stage.emulator.client() as client:
        assert client.get_job(asyncio.run(work())).priority == 7
    messages = [state for state in stage.states(run) if state.startswith("InfrastructurePending")]
    assert any("somebody has disabled: enable it" in state for state in messages)


def disable(stage: Stage, job: str) -> None:
    with stage.emulator.client() as client:
        client.begin_disable_job(job, models.BatchJobDisableOptions(disable_tasks="requeue"))


def enable(stage: Stage, job: str) -> None:
    with stage.emulator.client() as client:
        client.begin_enable_job(job)


def test_prefect_s_command_line_knows_the_type(prefect_api):
    """As it is installed: through the entry point."""

    def prefect(*words: str) -> str:
        environment = os.environ | {"PREFECT_API_URL": prefect_api}
        command = [sys.executable, "-m", "prefect", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    name = f"cli-{uuid4().hex[:8]}"
    made = prefect("work-pool", "create", name, "--type", "azure-batch")
    template = prefect("work-pool", "get-default-base-job-template", "--type", "azure-batch")
    assert "Failed to load collection" not in made
    assert '"pool_id": "{{ pool_id }}"' in template
    with get_client(sync_client=True) as client:
        pool = client.read_work_pool(name)
    assert pool.type == "azure-batch"
    assert pool.base_job_template["variables"]["properties"]["credentials"]["title"] == "Credentials"
