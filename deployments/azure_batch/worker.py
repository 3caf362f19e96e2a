"""The worker of work pools of the type `azure-batch`: each flow run is executed as a task of Azure Batch."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import anyio
import httpx
from anyio.abc import TaskStatus
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import InfrastructureNotAvailable, InfrastructureNotFound
from prefect.workers.base import BaseVariables, BaseWorker, BaseWorkerResult

from deployments.azure_batch.configuration import AzureBatchJobConfiguration, variables_schema
from deployments.azure_batch.credentials import AzureBatchCredentials
from deployments.azure_batch.errors import AzureBatchError, Refused
from deployments.azure_batch.identifiers import Infrastructure
from deployments.azure_batch.placing import Placing, required
from deployments.azure_batch.runs import Runs, is_open
from deployments.azure_batch.settings import WorkerSettings
from deployments.azure_batch.site import Site, open_site
from deployments.azure_batch.sweep import Sweep

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun


class AzureBatchWorkerResult(BaseWorkerResult):
    """`identifier` is that of the task; `status_code` 0 when it ended well."""


class AzureBatchWorker(BaseWorker[AzureBatchJobConfiguration, BaseVariables, AzureBatchWorkerResult]):
    """Submits flow runs as Batch tasks, and waits for them with all others in one observer per account."""

    type = "azure-batch"
    job_configuration = AzureBatchJobConfiguration
    job_configuration_variables = None
    cleanup_max_concurrency: ClassVar[int | None] = 10
    _display_name = "Azure Batch"
    _description = "Executes flow runs as tasks of Azure Batch, on nodes that come and go with the work."
    _documentation_url = "https://learn.microsoft.com/azure/batch/"

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Prefect's own are passed on
        super().__init__(*args, **kwargs)
        self.settings = WorkerSettings()
        self._sites: dict[str, Site] = {}
        self.placing = Placing(self)
        self._sweep: Sweep | None = None

    @classmethod
    def get_default_base_job_template(cls) -> dict[str, Any]:
        return {"job_configuration": cls.job_configuration.json_template(), "variables": variables_schema()}

    async def start(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Prefect's own are passed on
        # Only a worker that stays takes over what others left: not one that a notebook makes for a single run.
        self._sweep = Sweep(self)
        await super().start(*args, **kwargs)

    async def setup(self) -> None:
        await super().setup()
        if self._sweep:
            self._sweep.begin()

    async def teardown(self, *exc_info: Any) -> None:  # noqa: ANN401 - Prefect's own are passed on
        if self._sweep:
            await self._sweep.close()
        try:
            await super().teardown(*exc_info)
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.gather(*(site.close() for site in self._sites.values()))
            self._sites.clear()

    async def run(
        self,
        flow_run: "FlowRun",
        configuration: AzureBatchJobConfiguration,
        task_status: TaskStatus[Any] | None = None,
    ) -> AzureBatchWorkerResult:
        """Until the task has ended. No error of the service leaves it once the task is there."""
        watch = await self.placing.place(flow_run.id, configuration)
        if watch is None:
            if task_status:
                task_status.started("")
            return AzureBatchWorkerResult(identifier="", status_code=0)
        if task_status:
            task_status.started(str(watch.place))
        diagnosis = await watch.result
        return AzureBatchWorkerResult(identifier=str(watch.place), status_code=diagnosis.status_code)

    async def _initiate_run(self, flow_run: "FlowRun", configuration: AzureBatchJobConfiguration) -> None:
        """For `.submit()` from a script or a notebook: as soon as the task is there."""
        watch = await self.placing.place(flow_run.id, configuration)
        if watch:
            # Prefect writes it down for runs of deployments only; without it nobody could cancel this one.
            await self.runs.placed(flow_run.id, str(watch.place))

    async def kill_infrastructure(
        self,
        infrastructure_pid: str,
        configuration: AzureBatchJobConfiguration,
        grace_seconds: int = 30,  # noqa: ARG002 - Batch has no signal to send before it ends a task
    ) -> None:
        place = _parse(infrastructure_pid)
        site = self.site(required(configuration))
        if place.host != site.service.host:
            raise InfrastructureNotAvailable(
                f"{infrastructure_pid} is in another account than that of the credentials: {site.service.host}."
            )
        try:
            there = await site.service.terminate_task(place.job, place.task, seconds=60)
        except Refused as refusal:
            raise InfrastructureNotAvailable(str(refusal)) from refusal
        if not there:
            raise InfrastructureNotFound(f"{infrastructure_pid} has ended, or was deleted.")

    async def _submit_run(self, flow_run: "FlowRun") -> None:
        await self.placing.turns.take(flow_run.id)
        try:
            await super()._submit_run(flow_run)
        except httpx.HTTPError as error:
            # It would end the worker. The run is still in its queue, or is taken over by a sweep.
            self._logger.warning("Could not submit flow run '%s', tries again: %s", flow_run.id, error)
            self._submitting_flow_run_ids.discard(flow_run.id)
            self._release_limit_slot(flow_run.id)
        finally:
            self.placing.turns.give_back(flow_run.id)

    async def _propose_pending_state(self, flow_run: "FlowRun") -> bool:
        # It may have waited long for its turn, and been in the queue of another worker too: the server would make it
        # Pending even if it has been executed since.
        found = await self.runs.read(flow_run.id)
        if not (found and found.state and found.state.is_scheduled()):
            self._logger.info("Flow run '%s' is not in the queue any more: it is not submitted", flow_run.id)
            return False
        return await super()._propose_pending_state(flow_run)

    async def _propose_crashed_state(
        self, flow_run: "FlowRun", message: str, client: PrefectClient | None = None
    ) -> None:
        # Prefect does so whenever a task ended badly, and the server takes it: also of a run that is paused by now, or
        # was scheduled again.
        with suppress(httpx.HTTPError):
            if not is_open(await self.runs.read(flow_run.id)):
                return
        await super()._propose_crashed_state(flow_run, message, client)

    async def _give_worker_labels_to_flow_run(self, flow_run_id: UUID) -> None:
        # They only help to find out whose a run is: Prefect would crash the run when it is away for a moment.
        try:
            await super()._give_worker_labels_to_flow_run(flow_run_id)
        except httpx.HTTPError as error:
            self._logger.warning("Flow run '%s' has no labels of its worker: %s", flow_run_id, error)

    @property
    def runs(self) -> Runs:
        return Runs(self.client, self.work_pool.name)

    @property
    def sites(self) -> list[Site]:
        return list(self._sites.values())

    @property
    def cared_for(self) -> set[UUID]:
        """The runs that this worker submits or watches."""
        return self.placing.runs.union(*(site.observer.watched for site in self._sites.values()))

    def site(self, credentials: AzureBatchCredentials) -> Site:
        key = str(sorted((name, _plain(getattr(credentials, name))) for name in AzureBatchCredentials.model_fields))
        if key not in self._sites:
            pool = (self.work_pool.name, self.work_pool.id)
            self._sites[key] = open_site(credentials, self.runs, self.settings, self._logger, pool)
        return self._sites[key]


def _parse(identifier: str) -> Infrastructure:
    try:
        return Infrastructure.parse(identifier)
    except ValueError as error:
        raise InfrastructureNotAvailable(str(error)) from error


def _plain(value: Any) -> str:  # noqa: ANN401
    return value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)


__all__ = ["AzureBatchError", "AzureBatchWorker", "AzureBatchWorkerResult"]
