"""What the work pool and `prefect.yaml` rely on of the Prefect server's own services, on a server that is in haste.

The scheduler has `test_schedules.py` and automations `test_deployments_run.py`. Nothing relies on the expiry of pauses
nor on the retention of events; and zombies are found by their tasks in Batch, not by an automation."""

import asyncio
from collections.abc import Iterator
from uuid import UUID

import pytest
import yaml
from prefect import flow
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyOptions, WorkerStatus
from prefect.client.schemas.responses import SetStateStatus
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Pending, Running

from prefect_azure_batch.prefect_api.runs import PrefectRuns
from prefect_azure_batch.service.identifiers import Infrastructure
from tests.deadline import until
from tests.deployments.azure_batch.stage import FOREVER, PATIENCE, Stage, abandon, new_worker
from tests.deployments.azure_batch.stage import until as until_it
from tests.deployments.deployed import PROJECT
from tests.servers.prefect_server import check_log, prefect_server, used_here

HASTE = {
    "services_late_runs_loop_seconds": 1,
    "services_late_runs_after_seconds": 1,
    "services_cancellation_cleanup_loop_seconds": 1,
    "services_cancellation_cleanup_cancelling_timeout_seconds": 3,
    "services_foreman_loop_seconds": 1,
    "services_repossessor_loop_seconds": 1,
    "services_event_persister_flush_interval": 1,
    "concurrency_initial_deployment_lease_duration": 30,  # the least
}


@pytest.fixture(scope="module")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("services")
    with prefect_server(home, **HASTE) as url, used_here(url):
        yield url
    check_log(home / "server.log")


def test_a_run_that_nobody_takes_is_late_and_is_taken_all_the_same(stage: Stage) -> None:
    run = stage.start(stage.deploy("hello", env=FOREVER))
    stage.until(run, lambda found: found.state and found.state.name == "Late")

    async def work() -> None:
        async with new_worker(stage) as worker:
            await worker.get_and_submit_flow_runs()
            await until_it(lambda: stage.read(run).infrastructure_pid)
            abandon(worker)

    asyncio.run(work())


def test_a_cancelled_run_that_does_not_end_is_given_to_the_worker_to_kill(stage: Stage) -> None:
    """Long before the run's own grace has passed."""
    run = stage.start(stage.deploy("hello", env=FOREVER, cancel_grace=3600))
    with stage.worker():
        place = Infrastructure.parse(str(stage.until(run, lambda found: found.infrastructure_pid).infrastructure_pid))
        with stage.emulator.client() as batch, stage.client() as client:
            until(lambda: batch.get_task(place.job, place.task).state == "running", PATIENCE)
            client.set_flow_run_state(run, Running())
            stage.cancel(run)
            stage.ended(run)
            assert stage.states(run)[-1].startswith("Cancelled: ")
            until(lambda: batch.get_task(place.job, place.task).state == "completed", PATIENCE)


def test_a_worker_that_is_gone_is_offline_and_no_owner_of_runs(stage: Stage) -> None:
    async def missing() -> dict[str, float]:
        async with new_worker(stage, name="another") as worker:
            return await worker.runs.missing_heartbeats()

    def status() -> WorkerStatus:
        (found,) = [w for w in client.read_workers_for_work_pool(stage.work_pool) if w.name == "gone"]
        return found.status

    with stage.client() as client:
        client.send_worker_heartbeat(stage.work_pool, "gone", heartbeat_interval_seconds=1)
        assert status() == WorkerStatus.ONLINE
        until(lambda: status() == WorkerStatus.OFFLINE, PATIENCE)
    assert asyncio.run(missing()).keys() == {"another"}


def test_heartbeats_of_a_run_are_kept(stage: Stage) -> None:
    """By them a run that goes on where Batch does not see it is known to live."""
    ids: list[UUID] = []

    @flow
    def beating() -> None:
        from prefect.runtime import flow_run  # noqa: PLC0415

        ids.append(UUID(str(flow_run.id)))

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30}):
        beating()

    async def silence() -> float:
        async with new_worker(stage) as worker:
            return await PrefectRuns(worker.client, stage.work_pool).seconds_since_heartbeat(ids[0])

    assert until(lambda: (found := asyncio.run(silence())) < PATIENCE and found, PATIENCE) > 0


def test_a_run_keeps_its_place_while_it_waits_for_a_node(stage: Stage) -> None:
    """Without the grace of prefect.yaml the next run would get its place, and it would be cancelled when it starts."""
    text = (PROJECT / "prefect.yaml").read_text(encoding="utf-8")
    ours = ConcurrencyLimitConfig.model_validate(yaml.safe_load(text)["definitions"]["one_at_a_time"])
    plain = ours.model_copy(update={"grace_period_seconds": None})
    with stage.client() as client:

        def two_runs(limit: ConcurrencyLimitConfig) -> tuple[UUID, UUID]:
            deployment = stage.deploy("hello")
            options = ConcurrencyOptions.model_validate(limit.model_dump(exclude={"limit"}))
            wanted = DeploymentUpdate(concurrency_limit=limit.limit, concurrency_options=options)
            client.update_deployment(deployment, wanted)
            return stage.start(deployment), stage.start(deployment)

        def is_taken(run: UUID) -> bool:
            return client.set_flow_run_state(run, Pending()).status == SetStateStatus.ACCEPT

        (first, second), (other, its_second) = two_runs(ours), two_runs(plain)
        assert [is_taken(run) for run in (first, other, second, its_second)] == [True, True, False, False]
        until(lambda: is_taken(its_second), PATIENCE, every=1)  # its place is given away
        assert not is_taken(second)
