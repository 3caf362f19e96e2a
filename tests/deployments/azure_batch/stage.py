"""A work pool on the emulator, for tests: a real Prefect server, real workers, and flow runs to look at."""

import asyncio
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from prefect.client.orchestration import PrefectClient, SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.states import Cancelling

from azure_batch_emulator.running_emulator import Emulator
from prefect_azure_batch import AzureBatchCredentials, AzureBatchWorker
from prefect_azure_batch.settings import WorkerSettings
from tests.servers.ending import SHOWN, end
from tests.servers.patient import Patient

if TYPE_CHECKING:
    from azure.batch import models

PATIENCE = 60
SETTINGS = {
    "POLL_SECONDS": "0.5",
    "IDLE_POLL_SECONDS": "1",
    "REASON_SECONDS": "0.5",
    "RECONCILE_SECONDS": "4",
    "ORPHAN_SECONDS": "4",
    "SILENT_EXIT_SECONDS": "3",
    "RETRY_SECONDS": "0.1",
    "LONGEST_RETRY_SECONDS": "1",
    "COLLECTION_SECONDS": "0.1",
    "WHOLE_LIST_POLLS": "4",
}
SETTINGS_HERE = WorkerSettings.model_validate(
    {name.lower(): value for name, value in SETTINGS.items()} | {"orphan_seconds": 1}
)
# Of simulated tasks.
FOREVER = {"EMULATOR_SIMULATE_SECONDS": "100000"}
KILLED = {"EMULATOR_SIMULATE_SECONDS": "30", "EMULATOR_SIMULATE_EXIT_CODE": "137"}
# What a node of the emulator executes, for there are no containers here.
EXECUTE = f"{shlex.quote(sys.executable)} -m prefect flow-run execute"


@dataclass(frozen=True)
class Stage:
    api: str
    emulator: Emulator
    work_pool: str

    def deploy(self, name: str, pull: dict[str, object] | None = None, **variables: object) -> UUID:
        """A deployment of a flow of `on_nodes`, pulled by another step if one is given; the variables are its job
        variables."""
        folder = str(Path(__file__).parent)
        with self.client() as client:
            return client.create_deployment(
                flow_id=client.create_flow_from_name(name),
                name=f"{name}-{uuid4().hex[:6]}",
                work_pool_name=self.work_pool,
                entrypoint=f"on_nodes.py:{name}",
                pull_steps=[pull or {"prefect.deployments.steps.set_working_directory": {"directory": folder}}],
                job_variables=variables,
            )

    def start(self, deployment: UUID, **parameters: object) -> UUID:
        with self.client() as client:
            return client.create_flow_run_from_deployment(deployment, parameters=parameters).id

    def read(self, run: UUID) -> FlowRun:
        with self.client() as client:
            return client.read_flow_run(run)

    def cancel(self, run: UUID) -> None:
        with self.client() as client:
            client.set_flow_run_state(run, Cancelling())

    def until(self, run: UUID, holds: Callable[[FlowRun], Any], seconds: float = PATIENCE) -> FlowRun:
        """The flow run as soon as it is as demanded."""
        deadline = time.monotonic() + seconds
        with self.client() as client:
            while not holds(found := client.read_flow_run(run)):
                told = "\n".join(self.logs(run)) if time.monotonic() > deadline else ""
                assert time.monotonic() < deadline, f"after {seconds} s: {found.state!r}\n{told}"
                time.sleep(0.1)  # polled, with a deadline
        return found

    def ended(self, run: UUID, seconds: float = PATIENCE) -> FlowRun:
        return self.until(run, lambda found: found.state and found.state.is_final(), seconds)

    def states(self, run: UUID) -> list[str]:
        """The names, and messages if any, in their order."""
        with self.client() as client:
            states = client.read_flow_run_states(run)
        return [f"{state.name}: {state.message or ''}" for state in sorted(states, key=lambda state: state.timestamp)]

    def logs(self, run: UUID) -> list[str]:
        with self.client() as client:
            logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])), limit=200)
        return [log.message for log in logs]

    def client(self) -> SyncPrefectClient:
        return get_client(httpx_settings={"transport": Patient()}, sync_client=True)

    @contextmanager
    def worker(
        self, name: str = "", limit: int | None = None, options: Sequence[str] = (), **settings: str
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """`prefect worker start`, as a process of its own, with these options."""
        worker = self.start_worker(name or f"worker-{uuid4().hex[:6]}", limit, options, **settings)
        try:
            yield worker
        finally:
            end(worker, 20)

    def start_worker(
        self, name: str, limit: int | None = None, options: Sequence[str] = (), **settings: str
    ) -> "subprocess.Popen[bytes]":
        prefix = "PREFECT_INTEGRATIONS_AZURE_BATCH_WORKER_"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
        environment |= {f"{prefix}{key}": value for key, value in (SETTINGS | settings).items() if key in SETTINGS}
        environment |= {key: value for key, value in settings.items() if key not in SETTINGS}
        environment |= (
            SHOWN
            | {
                "PREFECT_API_URL": self.api,
                "PREFECT_WORKER_QUERY_SECONDS": "1",
                "PREFECT_WORKER_HEARTBEAT_SECONDS": "2",
                "PREFECT_WORKER_PREFETCH_SECONDS": "5",
            }
            | {key: value for key, value in settings.items() if key.startswith("PREFECT_")}
        )
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", self.work_pool, "--name", name]
        command += [*(["--limit", str(limit)] if limit else []), *options]
        return subprocess.Popen(command, env=environment, stdout=sys.stderr, stderr=sys.stderr)


def new_worker(stage: Stage, **options: Any) -> AzureBatchWorker:
    """One in this process, as hasty as the others."""
    return AzureBatchWorker(stage.work_pool, **({"settings": SETTINGS_HERE} | options))


def abandon(worker: AzureBatchWorker) -> None:
    """Ends what it waits for, as when its process ends; the tasks go on."""
    assert worker._runs_task_group
    worker._runs_task_group.cancel_scope.cancel()


async def queued(worker: AzureBatchWorker) -> list[WorkerFlowRunResponse]:
    """What is due for it, as its next poll would find it."""
    before = datetime.now(UTC) + timedelta(seconds=5)
    return await worker.client.get_scheduled_flow_runs_for_work_pool(worker.work_pool.name, scheduled_before=before)


async def submit(worker: AzureBatchWorker, found: list[WorkerFlowRunResponse]) -> None:
    """As its poll does with what it has found. Waits until all of them have been given to Azure Batch, or not."""
    await worker._submit_scheduled_flow_runs(found)
    await until(lambda: not worker.submitting)


async def give_labels(worker: AzureBatchWorker, run: UUID) -> None:
    await worker._give_worker_labels_to_flow_run(run)


@contextmanager
def asking(worker: AzureBatchWorker, client: PrefectClient) -> Iterator[None]:
    """It has another client meanwhile."""
    worker._client, own = client, worker._client
    try:
        yield
    finally:
        worker._client = own


async def until(holds: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Polls, with a deadline."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


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


def tasks_of(stage: Stage, run: UUID) -> "list[models.BatchTask]":
    """Those of the run in all jobs of the work pool."""
    with stage.emulator.client() as client:
        jobs = [job.id for job in client.list_jobs() if job.id.startswith(stage.work_pool[:14])]
        return [task for job in jobs for task in client.list_tasks(job) if task.id.startswith(str(run))]


def make_stage(api: str, emulator: Emulator, pool: str = "nodes", **variables: object) -> Stage:
    """A work pool of its own on a pool of the emulator; `variables` are the defaults of the work pool."""
    credentials = AzureBatchCredentials(
        endpoint=emulator.endpoint, account_name=emulator.account, account_key=emulator.key
    )
    block = credentials.save(f"stage-{uuid4().hex[:8]}")
    template = AzureBatchWorker.get_default_base_job_template()
    defaults = {
        "credentials": {"$ref": {"block_document_id": str(block)}},
        "pool_id": pool,
        "launcher": "env",  # none: the command runs as it is
        "command": EXECUTE,
    }
    for name, value in (defaults | variables).items():
        template["variables"]["properties"][name]["default"] = value
    name = f"batch-{uuid4().hex[:8]}"
    stage = Stage(api, emulator, name)
    with stage.client() as client:
        client.create_work_pool(WorkPoolCreate(name=name, type="azure-batch", base_job_template=template))
    return stage


def create_pool(
    emulator: Emulator,
    name: str = "nodes",
    nodes: int = 2,
    slots: int = 8,
    spot: int = 0,
    *,
    containers: bool = False,
    vm_size: str = "standard_d2s_v5",
    start: str = "",
    formula: str = "",
) -> None:
    """Nodes that execute processes, or containers; with a start task, or as many as a formula says."""
    from azure.batch import models  # noqa: PLC0415

    image = models.BatchVmImageReference(
        publisher="canonical", offer="ubuntu-24_04-lts", sku="server", version="latest"
    )
    with emulator.client() as client:
        client.create_pool(
            models.BatchPoolCreateOptions(
                id=name,
                vm_size=vm_size,
                task_slots_per_node=slots,
                target_dedicated_nodes=None if formula else nodes,
                target_low_priority_nodes=None if formula else spot,
                enable_auto_scale=bool(formula),
                auto_scale_formula=formula or None,
                start_task=models.BatchStartTask(command_line=start, wait_for_success=True) if start else None,
                virtual_machine_configuration=models.VirtualMachineConfiguration(
                    image_reference=image,
                    node_agent_sku_id="batch.node.ubuntu 24.04",
                    container_configuration=models.BatchContainerConfiguration(type="dockerCompatible")
                    if containers
                    else None,
                ),
            )
        )
