"""From time to time, and when a worker starts: searches for runs of the work pool that nobody cares for any more, and
removes what the work pool has left in the account."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from prefect_azure_batch.account import Account
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.decision import Do, Task, decide
from prefect_azure_batch.observation.evidence import attempt_at, evidence_of, infrastructure_of
from prefect_azure_batch.observation.reporter import patience
from prefect_azure_batch.prefect_api.runs import PrefectRuns
from prefect_azure_batch.reconciliation.clean_up import CleanUp
from prefect_azure_batch.reconciliation.orphan_accounts import OrphanAccounts
from prefect_azure_batch.reconciliation.orphans import is_orphan
from prefect_azure_batch.service.identifiers import Infrastructure, is_own_job
from prefect_azure_batch.service.run_tasks import has_ended, task_at, tasks_of
from prefect_azure_batch.settings import WorkerSettings
from prefect_azure_batch.shutdown import cancelled

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

    from prefect_azure_batch.service.run_tasks import Tasks

_GONE = "Its task is gone from Azure Batch, with its job or by itself, and no worker saw it end. Start the run again."
_GIVEN_UP = (
    "It never got a task in Azure Batch: the script or notebook that started it ended before it had submitted it. Start"
    " it again."
)


@dataclass(frozen=True)
class ReconcilingWorker:
    """What a reconciler is told of its worker at each moment, and has done by it."""

    name: str
    settings: WorkerSettings
    has_slot: Callable[[], bool]  # of its limit
    serves: Callable[[str | None], bool]  # the queue of this name
    logger: "Callable[[], logging.Logger | logging.LoggerAdapter[logging.Logger]]"
    runs: Callable[[], PrefectRuns]
    known: Callable[[], set[UUID]]  # the runs that it submits or watches
    accounts: Callable[[], Iterable[Account]]
    orphan_accounts: Callable[[], OrphanAccounts]
    work_pool_is_known: Callable[[], bool]
    resubmit: "Callable[[FlowRun], Awaitable[None]]"


class Reconciler:
    """Works for one worker. `once` is what `begin` repeats."""

    def __init__(self, worker: ReconcilingWorker) -> None:
        self._worker = worker
        self._clean_ups: dict[Account, CleanUp] = {}
        self._loop: asyncio.Task[None] | None = None
        self._resubmissions: set[asyncio.Future[None]] = set()
        self._cleaned = float("-inf")

    def begin(self) -> None:
        self._loop = asyncio.create_task(self._repeat())

    async def close(self) -> None:
        await cancelled(task for task in (self._loop, *self._resubmissions) if task)

    async def once(self) -> None:
        """Raises what Prefect's client raises when the runs cannot be read; a single run's trouble is only logged."""
        worker = self._worker
        missing = await worker.runs().missing_heartbeats()
        unsettled = await worker.runs().unsettled()
        # After the runs were read: one that this worker has taken in the meantime is not an orphan.
        known = worker.known()
        orphans = [
            run
            for run in unsettled
            if run.id not in known and worker.serves(run.work_queue_name) and is_orphan(run, missing, worker.name)
        ]
        accounts = worker.orphan_accounts()
        for run in orphans:
            try:
                await self._take(run, accounts)
            except Exception as error:  # noqa: BLE001 - one that fails does not keep the others from being taken
                self._failed(error)
        if time.monotonic() - self._cleaned > worker.settings.clean_up_seconds:
            self._cleaned = time.monotonic()
            await self._clean_up(unsettled, accounts)

    async def _end(self, account: Account, place: Infrastructure) -> None:
        if await account.service.terminate_task(place.job, place.task, seconds=30):
            self._worker.logger().info("Ended task %s, whose run does not need it any more", place.task)

    async def _clean_up(self, unsettled: "Iterable[FlowRun]", accounts: OrphanAccounts) -> None:
        """In the account of the work pool, and where else this worker has sent runs."""
        default = await accounts.default()
        own = accounts.account_of(default.credentials) if default.credentials else None
        busy = {infrastructure.job for run in unsettled if (infrastructure := infrastructure_of(run))}
        for account in self._worker.accounts():
            pool = default.pool_id if account is own and not default.temporary_pool else None
            await self._clean_up_of(account).clean(busy, self._worker.runs().final, pool)
            await self._end_strays(account, await accounts.living(account), default.cancel_grace)

    async def _end_strays(self, account: Account, living: "Mapping[UUID, Tasks]", grace: float) -> None:
        """Ends tasks that no worker watches, of earlier attempts, and of runs that have ended or were deleted."""
        for run, found in (await self._worker.runs().read_many(living)).items():
            tasks = {attempt: Task("running") for attempt in living[run]}
            evidence = evidence_of(found, max(tasks))
            for do, attempt in decide(evidence, tasks, patience(self._worker.settings, grace)):
                if do is Do.END:
                    await self._end(account, living[run][attempt][0])

    def _clean_up_of(self, account: Account) -> CleanUp:
        """The same each time, for it remembers which nodes it has reported."""
        if account not in self._clean_ups:
            worker, prefix = self._worker, account.job_rotation.prefix
            self._clean_ups[account] = CleanUp(account.service, prefix, worker.settings, worker.logger())
        return self._clean_ups[account]

    async def _repeat(self) -> None:
        while True:
            try:
                if self._worker.work_pool_is_known():
                    await self.once()
            except Exception as error:  # noqa: BLE001 - said, and tried again
                self._failed(error)
            # Not all workers at the same time.
            await asyncio.sleep(self._worker.settings.reconcile_seconds * random.uniform(0.8, 1.2))  # noqa: S311

    def _failed(self, error: Exception) -> None:
        self._worker.logger().warning("Could not reconcile, goes on: %s: %s", type(error).__name__, error)

    async def _take(self, run: "FlowRun", accounts: OrphanAccounts) -> None:
        account, configuration = await accounts.of(run)
        evidence = evidence_of(run, await self._worker.runs().present_attempt(run.id))
        tasks = await self._tasks(run, evidence.attempt, account, accounts)
        known = {attempt: Task("ended" if has_ended(task) else "running") for attempt, (_, task) in tasks.items()}
        wait = patience(self._worker.settings, configuration.cancel_grace)
        for do, attempt in decide(evidence, known, wait, abandoned=True):
            if attempt in tasks and attempt < evidence.attempt:
                if do is Do.END:
                    await self._end(account, tasks[attempt][0])
            elif attempt in tasks:
                # How it has ended, and what follows, the observer tells.
                await self._adopt(run, tasks[attempt][0], account, configuration)
                return
            elif do is Do.CANCEL:
                await self._worker.runs().cancelled(run.id, "Cancelled; it never got a task in Azure Batch.")
            elif do is Do.CRASH:
                await self._worker.runs().crashed(run.id, _GIVEN_UP if evidence.ad_hoc else _GONE)
            elif do is Do.SUBMIT:
                await self._submit(run)

    async def _tasks(self, run: "FlowRun", attempt: int, account: Account, accounts: OrphanAccounts) -> "Tasks":
        """Those that have not ended, and that of the present attempt."""
        tasks = (await accounts.living(account)).get(run.id, {})
        if attempt in tasks:
            return tasks
        place = infrastructure_of(run)
        if place and attempt_at(place) == attempt:
            return tasks | await task_at(account.service, place)
        return tasks | await tasks_of(account.service, await accounts.jobs(account), run.id)

    async def _adopt(
        self,
        run: "FlowRun",
        infrastructure: Infrastructure,
        account: Account,
        configuration: AzureBatchJobConfiguration,
    ) -> None:
        if run.infrastructure_pid != str(infrastructure):
            await self._worker.runs().record_infrastructure(run.id, str(infrastructure))
        # That of a temporary pool is not known yet.
        pool = "" if is_own_job(account.job_rotation.prefix, infrastructure.job) else configuration.pool_id or ""
        grace = configuration.cancel_grace
        account.observer.watch(infrastructure, run.id, pool, grace=grace, stream=configuration.stream_output)
        self._worker.logger().info("Watches flow run '%s', which another worker had submitted", run.id)

    async def _submit(self, run: "FlowRun") -> None:
        worker = self._worker
        if not worker.has_slot() or not await worker.runs().claim(run):
            return
        worker.logger().info("Submits flow run '%s', which another worker had not given to Azure Batch", run.id)
        task = asyncio.ensure_future(worker.resubmit(run))
        self._resubmissions.add(task)
        task.add_done_callback(self._resubmissions.discard)
