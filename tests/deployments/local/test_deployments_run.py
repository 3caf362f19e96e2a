"""Each deployment of `prefect.yaml`, started as it is in production, to its end on the emulator of Batch: by its
schedule, by its automation, or by the command."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.local.services import BATCH_ACCOUNT, BATCH_KEY
from prefect_azure_batch.service.identifiers import Infrastructure
from tests.deadline import until
from tests.deployments.local.stack import Stack
from tests.deployments.test_prefect_yaml import ENTRIES

SCHEDULED = sorted(name for name, entry in ENTRIES.items() if "schedules" in entry)
MONDAY = date.today() - timedelta(days=14 + date.today().weekday())  # noqa: DTZ011 - two weeks ago, wherever this is
FRIDAY = MONDAY + timedelta(days=4)
BY_HAND: dict[str, list[str]] = {
    "market-prices/window": ['codes=["AAPL.US"]', f'window={{"first": "{MONDAY}", "last": "{FRIDAY}"}}'],
    "backfill/years": [],  # as it is deployed: the plan
    "export-table/on-demand": ["name=prices", "query=SELECT 1 AS one"],
}
SECONDS = 400  # for a run, beside three others and on a machine that is busy


def test_each_deployment_is_started_here() -> None:
    started = {*SCHEDULED, *(name.split("/")[1] for name in BY_HAND), "after-prices"}
    assert started == ENTRIES.keys()


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[SyncPrefectClient]:
    with temporary_settings({PREFECT_API_URL: stack.api}), get_client(sync_client=True) as found:
        yield found


@pytest.fixture(scope="module")
def due(client: SyncPrefectClient) -> Iterator[datetime]:
    """A minute at which the schedules of all deployments are due; afterwards they are as they were."""
    at = (datetime.now(UTC) + timedelta(seconds=100)).replace(second=0, microsecond=0)
    soon = CronSchedule(cron=f"{at.minute} {at.hour} * * *", timezone="UTC")
    schedules = [(d.id, s.id, s.schedule) for d in client.read_deployments() for s in d.schedules]
    for deployment, schedule, _ in schedules:
        client.update_deployment_schedule(deployment, schedule, schedule=soon)
    yield at
    for deployment, schedule, own in schedules:
        client.update_deployment_schedule(deployment, schedule, schedule=own)


@pytest.mark.parametrize("name", SCHEDULED)
def test_the_schedule_starts_it(client: SyncPrefectClient, due: datetime, name: str) -> None:
    run = ended_well(client, lambda: [run for run in runs(client, name) if run.expected_start_time == due])
    assert run.auto_scheduled
    assert run.created_by
    assert run.created_by.type == "SCHEDULE"


def test_the_automation_starts_it(client: SyncPrefectClient) -> None:
    """After a run that is started by hand. After one that the scheduler has made for the next five minutes the server
    waits a quarter of an hour for an event that there is not, that of its being scheduled."""
    before = {run.id for run in runs(client, "after-prices")}
    weekly = client.read_deployment_by_name("market-prices/weekly").id
    prices = client.create_flow_run_from_deployment(weekly, parameters={"codes": ["AAPL.US"]}).id
    ended_well(client, lambda: [run for run in runs(client, "weekly") if run.id == prices])
    run = ended_well(client, lambda: [run for run in runs(client, "after-prices") if run.id not in before])
    assert run.created_by
    assert run.created_by.type == "AUTOMATION"


@pytest.mark.parametrize("name", BY_HAND)
def test_the_command_starts_it(stack: Stack, name: str) -> None:
    parameters = [word for parameter in BY_HAND[name] for word in ("--param", parameter)]
    assert "finished successfully" in stack.run("prefect", "deployment", "run", name, "--watch", *parameters)


def runs(client: SyncPrefectClient, deployment: str) -> list[FlowRun]:
    """By their time."""
    wanted = DeploymentFilter(name=DeploymentFilterName(any_=[deployment]))
    return client.read_flow_runs(deployment_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_ASC)


def ended_well(client: SyncPrefectClient, find: Callable[[], list[FlowRun]]) -> FlowRun:
    """The run that is found, once it and its task in Batch have ended."""
    run = until(lambda: [run for run in find() if run.state and run.state.is_final()], SECONDS, every=1)[0]
    assert run.state
    assert run.state.name == "Completed", f"{run.state.message}\n{logs(client, run)}"
    place = Infrastructure.parse(run.infrastructure_pid or "")
    with BatchClient(f"http://{place.host}", AzureNamedKeyCredential(BATCH_ACCOUNT, BATCH_KEY)) as batch:
        until(lambda: batch.get_task(place.job, place.task).state == "completed", 60)
        execution = batch.get_task(place.job, place.task).execution_info
    assert execution
    assert execution.exit_code == 0
    return run


def logs(client: SyncPrefectClient, run: FlowRun) -> str:
    found = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])))
    return "\n".join(log.message for log in found)
