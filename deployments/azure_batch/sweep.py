"""From time to time, and when a worker starts: searches for runs of the work pool that nobody cares for any more, and
removes what the work pool has left in the account."""

import asyncio
import random
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import anyio
from prefect.client.schemas.objects import StateType

from deployments.azure_batch.adoption import Orphan, each, find, may_be_submitted, orphans, place_of
from deployments.azure_batch.configuration import AzureBatchJobConfiguration
from deployments.azure_batch.identifiers import Infrastructure, is_own_job
from deployments.azure_batch.orphan_sites import Sites
from deployments.azure_batch.site import Site

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

    from deployments.azure_batch.worker import AzureBatchWorker


class Sweep:
    """Of one worker. `once` is what `begin` repeats."""

    def __init__(self, worker: "AzureBatchWorker") -> None:
        self._worker = worker
        self._logger = worker._logger  # noqa: SLF001 - Prefect has no other name for it
        self._loop: asyncio.Task[None] | None = None
        self._waiting: set[asyncio.Task[None]] = set()
        self._cleaned = float("-inf")

    def begin(self) -> None:
        self._loop = asyncio.create_task(self._repeat())

    async def close(self) -> None:
        tasks = [task for task in (self._loop, *self._waiting) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def once(self) -> None:
        """Raises what Prefect's client raises when the runs cannot be read; a single run's trouble is only logged."""
        worker = self._worker
        missing = await worker.runs.missing_heartbeats()
        unsettled = await worker.runs.unsettled()
        patience = worker.settings.orphan_seconds
        # After the runs were read: one that this worker has taken in the meantime is not an orphan.
        known = worker.cared_for | worker._submitting_flow_run_ids  # noqa: SLF001
        found = orphans(unsettled, known=known, missing=missing, me=worker.name, patience=patience)
        if found:
            sites = Sites(worker)
            await each((self._take(orphan, sites) for orphan in found), self._failed)
        if time.monotonic() - self._cleaned > worker.settings.clean_up_seconds:
            self._cleaned = time.monotonic()
            await self._clean_up(unsettled)

    async def _clean_up(self, unsettled: "Iterable[FlowRun]") -> None:
        """In the account of the work pool, and where else this worker has sent runs."""
        default = await Sites(self._worker).default()
        own = self._worker.site(default.credentials) if default.credentials else None
        busy = {place.job for run in unsettled if (place := place_of(run))}
        for site in self._worker.sites:
            pool = default.pool_id if site is own and not default.temporary_pool else None
            await site.clean_up.once(busy, self._worker.runs.final, pool)

    async def _repeat(self) -> None:
        while True:
            try:
                if self._worker.is_setup and self._worker._work_pool:  # noqa: SLF001
                    await self.once()
            except Exception as error:  # noqa: BLE001 - said, and tried again
                self._failed(error)
            # Not all workers at the same time.
            await asyncio.sleep(self._worker.settings.sweep_seconds * random.uniform(0.8, 1.2))  # noqa: S311

    def _failed(self, error: Exception) -> None:
        self._logger.warning("Could not sweep, goes on: %s: %s", type(error).__name__, error)

    async def _take(self, orphan: Orphan, sites: Sites) -> None:
        site, configuration = await sites.of(orphan)
        place = orphan.place or await find(site.service, await sites.jobs(site), orphan.run.id)
        if place is not None:
            await self._adopt(orphan.run, place, site, configuration)
        elif orphan.run.state and orphan.run.state.type == StateType.CANCELLING and not orphan.run.start_time:
            await self._worker.runs.cancelled(orphan.run.id, "Cancelled; it never got a task in Azure Batch.")
        elif may_be_submitted(orphan.run):
            await self._submit(orphan.run)

    async def _adopt(
        self, run: "FlowRun", place: Infrastructure, site: Site, configuration: AzureBatchJobConfiguration
    ) -> None:
        if not run.infrastructure_pid:
            await self._worker.runs.placed(run.id, str(place))
        # That of a temporary pool is not known yet.
        pool = "" if is_own_job(site.book.prefix, place.job) else configuration.pool_id or ""
        grace = configuration.cancel_grace
        watch = site.observer.watch(place, run.id, pool, grace=grace, stream=configuration.stream_output)
        self._logger.info("Watches flow run '%s', which another worker had submitted", run.id)
        limiter = self._worker._limiter  # noqa: SLF001
        if limiter is None:
            return
        try:
            limiter.acquire_on_behalf_of_nowait(run.id)
        except (anyio.WouldBlock, RuntimeError):
            return  # more than the limit were in flight, or it has its place already
        watch.result.add_done_callback(lambda _: self._worker._release_limit_slot(run.id))  # noqa: SLF001

    async def _submit(self, run: "FlowRun") -> None:
        worker = self._worker
        try:
            if worker._limiter:  # noqa: SLF001
                worker._limiter.acquire_on_behalf_of_nowait(run.id)  # noqa: SLF001
        except anyio.WouldBlock:
            return
        if not await worker.runs.claim(run):
            worker._release_limit_slot(run.id)  # noqa: SLF001
            return
        self._logger.info("Submits flow run '%s', which another worker had not given to Azure Batch", run.id)
        task = asyncio.create_task(self._resubmit(run))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _resubmit(self, run: "FlowRun") -> None:
        """As the worker does with a run from its queue, once that is Pending."""
        worker = self._worker
        worker._submitting_flow_run_ids.add(run.id)  # noqa: SLF001
        await worker.placing.turns.take(run.id)
        try:
            group = worker._runs_task_group  # noqa: SLF001
            if group is not None:
                place = await group.start(worker._submit_run_and_capture_errors, run)  # noqa: SLF001
                if isinstance(place, str) and place:
                    await worker.runs.placed(run.id, place)
        finally:
            worker.placing.turns.give_back(run.id)
            worker._submitting_flow_run_ids.discard(run.id)  # noqa: SLF001
