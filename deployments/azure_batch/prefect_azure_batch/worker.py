"""The worker of work pools of the type `azure-batch`: each flow run is executed as a task of Azure Batch.

The life of a run, and where each step is:

    submit_queued             from the queue, when the run has a place          submission/concurrency.py
    run                       Prefect has made it Pending, with its configuration
      Submission.submit       its task is made; cancelled meanwhile, it stops   submission/submission.py, task.py
        job_key_for           the pool is there, or made, and fits              submission/pools.py
        TaskQueue.submit      with others in one request, until it is taken     submission/task_queue.py
        JobRotation.current   into the job of its pool and priority             submission/job_rotation.py
        Observer.watch        polled from now on, with all others               observation/observer.py
          _follow             its output, and why it waits                      observation/reporter.py
          _judge              what is to be done for the run, and done          decision.py, Reporter.carry_out
      ObservedTask.result     the run's end is the end of `run`                 observation/observed_task.py

A worker that dies leaves its runs to the others:

    Reconciler.once           now and then                                      reconciliation/reconciler.py
      is_orphan               unsettled, and no living worker has it            reconciliation/orphans.py
      _take                   what is to be done for it                         decision.py
      _adopt                  one that has a task: Observer.watch
      _submit                 one that never got one: resubmit, and as above
      _end_strays             tasks that no run needs, and nobody watches
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import anyio
import httpx
from anyio.abc import TaskStatus
from prefect.exceptions import InfrastructureNotAvailable, InfrastructureNotFound
from prefect.workers.base import BaseWorkerResult

from prefect_azure_batch.account import Account, Accounts, open_account
from prefect_azure_batch.configuration.base_job_template import WORK_POOL_TYPE, base_job_template
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.credentials import AzureBatchCredentials
from prefect_azure_batch.prefect_api.calls import ask_prefect
from prefect_azure_batch.prefect_api.runs import PrefectRuns, is_open
from prefect_azure_batch.prefect_private import OpenWorker
from prefect_azure_batch.reconciliation.orphan_accounts import OrphanAccounts
from prefect_azure_batch.reconciliation.reconciler import Reconciler, ReconcilingWorker
from prefect_azure_batch.service.errors import Refused
from prefect_azure_batch.service.identifiers import Infrastructure
from prefect_azure_batch.settings import WorkerSettings
from prefect_azure_batch.shutdown import CLOSING_SECONDS, ended_by_sigterm
from prefect_azure_batch.submission.submission import Submission

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

    from prefect_azure_batch.observation.observed_task import ObservedTask


class AzureBatchWorkerResult(BaseWorkerResult):
    """`identifier` is that of the task; `status_code` 0 when it ended well."""


class AzureBatchWorker(OpenWorker):
    """Submits flow runs as Batch tasks, and waits for them with all others in one observer per account."""

    type = WORK_POOL_TYPE
    job_configuration = AzureBatchJobConfiguration
    job_configuration_variables = None
    cleanup_max_concurrency: ClassVar[int | None] = 10
    _display_name = "Azure Batch"
    _description = "Executes flow runs as tasks of Azure Batch, on nodes that come and go with the work."
    _documentation_url = "https://learn.microsoft.com/azure/batch/"

    def __init__(
        self,
        work_pool_name: str,
        work_queues: list[str] | None = None,
        *args: Any,  # noqa: ANN401 - Prefect's own are passed on
        settings: WorkerSettings | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(work_pool_name, work_queues, *args, **kwargs)
        self.work_queues = frozenset(work_queues or ())
        self.settings = settings or WorkerSettings()
        self.accounts = Accounts(self._open_account)
        self.submission = Submission(lambda: self.runs, self.settings)
        self._reconciler: Reconciler | None = None
        self._judged: set[UUID] = set()

    @classmethod
    def get_default_base_job_template(cls) -> dict[str, Any]:
        return base_job_template()

    async def start(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Prefect's own are passed on
        # Only a worker that stays takes over what others left: not one that a notebook makes for a single run.
        self._reconciler = self.reconciler()
        with ended_by_sigterm():
            await super().start(*args, **kwargs)

    async def setup(self) -> None:
        await super().setup()
        if self._reconciler:
            self._reconciler.begin()

    async def teardown(self, *exc_info: Any) -> None:  # noqa: ANN401 - Prefect's own are passed on
        if self._reconciler:
            await self._reconciler.close()
        try:
            await super().teardown(*exc_info)
        finally:
            with anyio.move_on_after(CLOSING_SECONDS, shield=True) as closing:
                await asyncio.gather(*(account.close() for account in self.accounts.clear()))
            if closing.cancelled_caught:
                self.logger.warning("What was not closed within %s s is left", CLOSING_SECONDS)

    async def run(
        self,
        flow_run: "FlowRun",
        configuration: AzureBatchJobConfiguration,
        task_status: TaskStatus[Any] | None = None,
    ) -> AzureBatchWorkerResult:
        """Returns when the task has ended. No error of the service leaves it once the task is there."""
        observed = await self._submit(flow_run, configuration)
        if observed is None:
            if task_status:
                task_status.started("")
            return AzureBatchWorkerResult(identifier="", status_code=0)
        if task_status:
            task_status.started(str(observed.infrastructure))
        diagnosis = await observed.result
        if diagnosis.status_code:
            self._judged.add(flow_run.id)
        return AzureBatchWorkerResult(identifier=str(observed.infrastructure), status_code=diagnosis.status_code)

    async def initiate_run(self, flow_run: "FlowRun", configuration: AzureBatchJobConfiguration) -> None:
        """For `.submit()` from a script or a notebook: returns as soon as the task is there."""
        observed = await self._submit(flow_run, configuration)
        if observed:
            # Prefect writes it down for runs of deployments only; without it nobody could cancel this one.
            await self._record(flow_run.id, str(observed.infrastructure))

    async def _record(self, run: UUID, infrastructure: str) -> None:
        await ask_prefect(
            "write down where the run is", lambda: self.runs.record_infrastructure(run, infrastructure), self.settings
        )

    async def _submit(self, run: "FlowRun", configuration: AzureBatchJobConfiguration) -> "ObservedTask | None":
        account = self.accounts.required(configuration)
        return await self.submission.submit(run, configuration, account.task_queue, account.observer)

    async def kill_infrastructure(
        self,
        infrastructure_pid: str,
        configuration: AzureBatchJobConfiguration,
        grace_seconds: int = 30,  # noqa: ARG002 - Batch has no signal to send before it ends a task
    ) -> None:
        infrastructure = _parse(infrastructure_pid)
        account = self.accounts.required(configuration)
        if infrastructure.host != account.service.host:
            raise InfrastructureNotAvailable(
                f"{infrastructure_pid} is in another account than that of the credentials: {account.service.host}."
            )
        try:
            there = await account.service.terminate_task(infrastructure.job, infrastructure.task, seconds=60)
        except Refused as refusal:
            raise InfrastructureNotAvailable(str(refusal)) from refusal
        if not there:
            raise InfrastructureNotFound(f"{infrastructure_pid} has ended, or was deleted.")

    async def submit_queued(self, flow_run: "FlowRun", submit: "Callable[[FlowRun], Awaitable[None]]") -> None:
        await self.submission.limiter.acquire(flow_run.id)
        try:
            await submit(flow_run)
        except httpx.HTTPError as error:
            # The run is still in its queue, or is taken over by the reconciler.
            self.logger.warning("Could not submit flow run '%s', tries again: %s", flow_run.id, error)
            self.submitting.discard(flow_run.id)
        finally:
            self.submission.limiter.release(flow_run.id)

    async def resubmit(self, flow_run: "FlowRun") -> None:
        """A run that is Pending and whose worker is gone, as one from the queue."""
        self.submitting.add(flow_run.id)
        try:
            await self.submission.limiter.acquire(flow_run.id)
            if infrastructure := await self.submit_pending(flow_run):
                await self._record(flow_run.id, infrastructure)
        finally:
            self.submission.limiter.release(flow_run.id)
            self.submitting.discard(flow_run.id)

    async def may_be_submitted(self, flow_run: "FlowRun") -> bool:
        # It may have waited long for its turn, and been in the queue of another worker too: the server would make it
        # Pending even if it has been executed since.
        found = await self.runs.read(flow_run.id)
        if found and found.state and found.state.is_scheduled():
            return True
        self.logger.info("Flow run '%s' is not in the queue any more: it is not submitted", flow_run.id)
        return False

    async def may_crash(self, flow_run: "FlowRun") -> bool:
        if flow_run.id in self._judged:
            self._judged.discard(flow_run.id)
            return False  # its task has ended badly, and what follows has been done
        # It could not be submitted. The server would take it also of a run that is paused by now, or scheduled again.
        with suppress(httpx.HTTPError):
            return is_open(await self.runs.read(flow_run.id))
        return True

    @property
    def runs(self) -> PrefectRuns:
        return PrefectRuns(self.client, self.work_pool.name)

    @property
    def known_runs(self) -> set[UUID]:
        """The runs that this worker submits or watches."""
        return self.submission.on_their_way.union(*(account.observer.watched for account in self.accounts))

    @property
    def in_flight(self) -> set[UUID]:
        """Also those that are on their way from the queue."""
        return self.known_runs | self.submitting

    def reconciler(self) -> Reconciler:
        """One that works for this worker."""
        worker = ReconcilingWorker(
            name=self.name,
            settings=self.settings,
            has_slot=self.has_slot,
            serves=lambda queue: not self.work_queues or queue in self.work_queues,
            logger=lambda: self.logger,
            runs=lambda: self.runs,
            known=lambda: self.in_flight,
            accounts=lambda: self.accounts,
            orphan_accounts=lambda: OrphanAccounts(self.client, self.work_pool.base_job_template, self.accounts.of),
            work_pool_is_known=lambda: self.is_setup and bool(self.get_status()["work_pool"]),
            resubmit=self.resubmit,
        )
        return Reconciler(worker)

    def _open_account(self, credentials: AzureBatchCredentials) -> Account:
        work_pool = (self.work_pool.name, self.work_pool.id)
        return open_account(credentials, self.runs, self.settings, self.logger, work_pool)


def _parse(identifier: str) -> Infrastructure:
    try:
        return Infrastructure.parse(identifier)
    except ValueError as error:
        raise InfrastructureNotAvailable(str(error)) from error
