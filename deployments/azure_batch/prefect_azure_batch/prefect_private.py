"""All that the work pool uses of Prefect's workers that begins with an underscore: nothing else does, and a test holds
each of them to what is expected here. The rest of the work pool sees public names.

| private | stands in for | since there is no public |
|---|---|---|
| `_initiate_run` | `initiate_run` | way to give a run of `.submit()` to a service without waiting for its end |
| `_submit_adhoc_run` | nothing | place to end a run of `.submit()` that cannot be prepared or uploaded |
| `_submit_run` | `submit_queued` | place around a submission: for its turn, and to outlive errors of the API |
| `_propose_pending_state` | `may_be_submitted` | question before a run is taken from the queue |
| `_propose_crashed_state` | `may_crash` | question before a run whose task ended badly becomes Crashed |
| `_give_worker_labels_to_flow_run` | nothing | way to have a run without its labels rather than crashed |
| `_submitting_flow_run_ids` | `submitting` | list of the runs that a worker takes from its queue |
| `_limiter` | `RunSlots` | count of a worker's runs in flight |
| `_runs_task_group`, `_submit_run_and_capture_errors` | `submit_pending` | submission of a run that is Pending |
"""

import abc
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import anyio
import httpx
from anyio.abc import TaskStatus
from prefect.client.orchestration import PrefectClient
from prefect.logging.loggers import get_worker_logger
from prefect.workers.base import BaseVariables, BaseWorker, BaseWorkerResult

from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun
    from prefect.flows import Flow


class RunSlots:
    """The slots of a worker with a limit, as Prefect asks for them: one for each of its runs in flight.

    They are seen rather than counted: what forgot to give one back, or gave it back twice, would lose it for ever.
    """

    def __init__(self, total: int, in_flight: Callable[[], set[UUID]]) -> None:
        self.total_tokens, self._in_flight = total, in_flight

    @property
    def borrowed_tokens(self) -> int:
        return len(self._in_flight())

    def acquire_on_behalf_of_nowait(self, run: UUID) -> None:
        """Raises anyio.WouldBlock where there is none. A run that has one does not need another."""
        runs = self._in_flight()
        if run not in runs and len(runs) >= self.total_tokens:
            raise anyio.WouldBlock

    def release_on_behalf_of(self, run: UUID) -> None:
        """Its slot is free when it is in flight no more."""


class _Made:
    """What `.submit()` waits for: keeps the run that it is told of."""

    run: "FlowRun | None" = None

    def __init__(self, status: "TaskStatus[FlowRun] | None") -> None:
        self._status = status

    def started(self, run: "FlowRun") -> None:
        self.run = run
        if self._status:
            self._status.started(run)


class OpenWorker(BaseWorker[AzureBatchJobConfiguration, BaseVariables, BaseWorkerResult], abc.ABC):
    """Prefect's worker with public names: what a subclass defines, and below what it may use."""

    @abc.abstractmethod
    async def initiate_run(self, flow_run: "FlowRun", configuration: AzureBatchJobConfiguration) -> None:
        """For `.submit()`: returns as soon as the service has the run."""

    @abc.abstractmethod
    async def submit_queued(self, flow_run: "FlowRun", submit: "Callable[[FlowRun], Awaitable[None]]") -> None:
        """A run from the queue, by `submit`. What this raises ends the worker."""

    @abc.abstractmethod
    async def may_be_submitted(self, flow_run: "FlowRun") -> bool:
        """Asked before a run from the queue becomes Pending. What this raises `submit_queued` gets."""

    @abc.abstractmethod
    async def may_crash(self, flow_run: "FlowRun") -> bool:
        """Asked before a run becomes Crashed, whatever it is by now."""

    @property
    @abc.abstractmethod
    def in_flight(self) -> set[UUID]:
        """The runs that have a slot each."""

    async def setup(self) -> None:
        await super().setup()
        if self._limiter is not None:
            slots = RunSlots(int(self._limiter.total_tokens), lambda: self.in_flight)
            self._limiter = cast("anyio.CapacityLimiter", slots)

    def has_slot(self) -> bool:
        """Whether its limit, if it has one, leaves one for another run."""
        return self._limiter is None or self._limiter.borrowed_tokens < self._limiter.total_tokens

    @property
    def logger(self) -> "logging.Logger | logging.LoggerAdapter[logging.Logger]":
        return get_worker_logger(self)

    @property
    def submitting(self) -> set[UUID]:
        """The runs that are on their way from the queue. Those in here are not taken from it again."""
        return self._submitting_flow_run_ids

    async def submit_pending(self, flow_run: "FlowRun") -> str | None:
        """Returns where it is as soon as `run` has said so, and None when that failed: the run is Crashed then."""
        if self._runs_task_group is None:  # the worker ends
            return None
        infrastructure = await self._runs_task_group.start(self._submit_run_and_capture_errors, flow_run)
        return infrastructure if isinstance(infrastructure, str) and infrastructure else None

    async def _initiate_run(self, flow_run: "FlowRun", configuration: AzureBatchJobConfiguration) -> None:
        await self.initiate_run(flow_run, configuration)

    async def _submit_adhoc_run(
        self,
        flow: "Flow[..., Any]",
        parameters: dict[str, Any] | None = None,
        job_variables: dict[str, Any] | None = None,
        task_status: "TaskStatus[FlowRun] | None" = None,
        flow_run: "FlowRun | None" = None,
    ) -> None:
        made = _Made(task_status)
        told = cast("TaskStatus[FlowRun]", made)
        try:
            await super()._submit_adhoc_run(flow, parameters, job_variables, told, flow_run)
        except Exception as error:
            if made.run is None:  # `.submit()` itself raises it
                raise
            # Prefect would end all that its script waits for, and leave the run Pending.
            message = f"Failed to submit flow run to infrastructure: {type(error).__name__}: {error}"
            self.get_flow_run_logger(made.run).exception(message)
            await self._propose_crashed_state(made.run, message)

    async def _submit_run(self, flow_run: "FlowRun") -> None:
        await self.submit_queued(flow_run, super()._submit_run)

    async def _propose_pending_state(self, flow_run: "FlowRun") -> bool:
        return await self.may_be_submitted(flow_run) and await super()._propose_pending_state(flow_run)

    async def _propose_crashed_state(
        self, flow_run: "FlowRun", message: str, client: PrefectClient | None = None
    ) -> None:
        if await self.may_crash(flow_run):
            await super()._propose_crashed_state(flow_run, message, client)

    async def _give_worker_labels_to_flow_run(self, flow_run_id: UUID) -> None:
        # They only help to find out whose a run is: Prefect would crash the run when it is away for a moment.
        try:
            await super()._give_worker_labels_to_flow_run(flow_run_id)
        except httpx.HTTPError as error:
            self.logger.warning("Flow run '%s' has no labels of its worker: %s", flow_run_id, error)
