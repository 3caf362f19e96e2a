"""What the work pool asks and tells Prefect about its flow runs. Nothing here is about Batch."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, UUID, uuid5

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import State, StateType, WorkerStatus
from prefect.client.schemas.responses import SetStateStatus
from prefect.events import emit_event
from prefect.exceptions import ObjectNotFound
from prefect.logging.loggers import PrefectLogAdapter, flow_run_logger
from prefect.states import AwaitingRetry, Cancelled, Crashed, InfrastructurePending, Pending

from batch_launcher.attempts import present_attempt
from prefect_azure_batch.decision import Status

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

_PAGE = 200
_HEARTBEAT = 30  # seconds, where Prefect has not been told
_UNSETTLED = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
_STATUS: Mapping[StateType, Status] = {
    StateType.SCHEDULED: "scheduled",
    StateType.PENDING: "pending",
    StateType.RUNNING: "running",
    StateType.CANCELLING: "cancelling",
    StateType.PAUSED: "paused",
}


class PrefectRuns:
    """The flow runs of one work pool. Every method raises what Prefect's client raises."""

    def __init__(self, client: PrefectClient, work_pool: str) -> None:
        self._client, self._work_pool = client, work_pool

    async def read(self, run: UUID) -> "FlowRun | None":
        """None when it was deleted."""
        try:
            return await self._client.read_flow_run(run)
        except ObjectNotFound:
            return None

    async def read_many(self, runs: Iterable[UUID]) -> "dict[UUID, FlowRun | None]":
        """None for each that was deleted."""
        found: dict[UUID, FlowRun | None] = dict.fromkeys(runs)
        ids = list(found)
        for begin in range(0, len(ids), _PAGE):
            some = FlowRunFilter(id=FlowRunFilterId(any_=ids[begin : begin + _PAGE]))
            found |= {run.id: run for run in await self._client.read_flow_runs(flow_run_filter=some, limit=_PAGE)}
        return found

    async def cancelling(self) -> "dict[UUID, FlowRun]":
        """Those of the work pool that somebody cancels."""
        return {run.id: run for run in await self._of(StateType.CANCELLING)}

    async def unsettled(self) -> "list[FlowRun]":
        """All that are pending, running, paused or being cancelled, or wait in their process for its next try."""
        found = await self._of(*_UNSETTLED, StateType.PAUSED)
        retried = await self._of(StateType.SCHEDULED, name=AwaitingRetry().name)
        return [run for run in found if status(run) != "suspended"] + list(filter(retries_in_process, retried))

    async def final(self, runs: Iterable[UUID]) -> set[UUID]:
        """Which of these have ended, by whatever way, or were deleted."""
        return {run_id for run_id, run in (await self.read_many(runs)).items() if status(run) in {"final", "deleted"}}

    async def present_attempt(self, run: UUID) -> int:
        return _attempt(await self._states(run))

    async def attempt(self, run: UUID) -> int | None:
        """How many times the run was taken from its queue: each time makes it Pending once, and only once.

        None when it has ended and was not scheduled again since. Another worker may have executed it in the time that
        this one took to take it, or to take it over: it gets back what it had.
        """
        states = await self._states(run)
        ended = max((number for number, state in enumerate(states) if state.is_final()), default=-1)
        if ended >= 0 and all(state.type == StateType.PENDING for state in states[ended + 1 :]):
            await self._give_back(run, states[-1], states[ended])
            return None
        return _attempt(states)

    async def missing_heartbeats(self) -> dict[str, float]:
        """How many each worker of the work pool, by its name, should have sent since its last one.

        Prefect itself calls a worker offline after three, and some time later.
        """
        now, missing = datetime.now(UTC), {}
        for worker in await self._client.read_workers_for_work_pool(self._work_pool):
            if worker.last_heartbeat_time and worker.status == WorkerStatus.ONLINE:
                silent = (now - worker.last_heartbeat_time).total_seconds()
                missing[worker.name] = silent / (worker.heartbeat_interval_seconds or _HEARTBEAT)
        return missing

    async def set_waiting(self, run: UUID, reason: str) -> bool:
        """Says why the run waits; a reason replaces another. False when it does not wait any longer."""
        state: State[object] = InfrastructurePending(message=reason)
        found = await self.read(run)
        if found and found.state and found.state.name == state.name:
            # A state of the same name is refused, so that the name has to change and change back.
            if not await self._hold(found, Pending(name="Submitting", message=reason)):
                return False
            found = await self.read(run)
        return await self._hold(found, state)

    async def claim(self, run: "FlowRun") -> bool:
        """Takes over a submission. Of several who try at once one succeeds: the server takes a name only once.

        False too when anything was said of the run since it was read.
        """
        found = await self.read(run.id)
        if not (found and found.state and run.state and found.state.id == run.state.id):
            return False
        if found.infrastructure_pid != run.infrastructure_pid:
            return False
        name = "Submitting" if run.state.name == "Resubmitting" else "Resubmitting"
        return await self._hold(found, Pending(name=name, message="Its worker is gone; taken over."))

    async def seconds_since_heartbeat(self, run: UUID) -> float:
        """Endless where Prefect has never heard one of the run's process."""
        wanted = {
            "event": {"name": ["prefect.flow-run.heartbeat"]},
            "resource": {"id": [f"prefect.flow-run.{run}"]},
            "order": "DESC",
        }
        # Prefect's client has no method of its own for it.
        answer = await self._client.request("POST", "/events/filter", json={"filter": wanted, "limit": 1})
        events = answer.raise_for_status().json()["events"]
        if not events:
            return float("inf")
        return (datetime.now(UTC) - datetime.fromisoformat(events[0]["received"])).total_seconds()

    async def hand_out(self, run: "FlowRun") -> None:
        """One that waits for a retry in its process: any worker takes it from its queue when it is due."""
        policy = run.empirical_policy.model_copy(update={"retry_type": None})
        await self._client.update_flow_run(run.id, empirical_policy=policy)

    async def crashed(self, run: UUID, message: str, attempt: int | None = None) -> bool:
        """Of this attempt alone, if one is given: a run of which a later one has begun gets back what it had."""
        if not await self._propose(run, Crashed(message=message)):
            return False
        states = await self._states(run) if attempt else []
        if len(states) < 2 or states[-1].type != StateType.CRASHED or _attempt(states) <= (attempt or 0):
            return True
        await self._give_back(run, states[-1], states[-2])
        return False

    async def cancelled(self, run: UUID, message: str) -> bool:
        """Never of a run that has ended meanwhile."""
        return is_open(await self.read(run)) and await self._unless_over(run, Cancelled(message=message))

    async def record_infrastructure(self, run: UUID, infrastructure: str) -> None:
        """Writes down where the run is."""
        await self._client.update_flow_run(run, infrastructure_pid=infrastructure)

    def logger(self, run: UUID) -> PrefectLogAdapter:
        """Writes into the run's logs."""
        return flow_run_logger(flow_run_id=run).getChild("azure-batch")

    def emit(self, run: UUID, infrastructure: str, what: str, occasion: str, payload: Mapping[str, object]) -> None:
        """Emits `prefect.azure-batch.task.{what}`; the event's id is the same whichever worker tells, and how often."""
        emit_event(
            event=f"prefect.azure-batch.task.{what}",
            resource={"prefect.resource.id": f"prefect.azure-batch.task.{infrastructure}"},
            related=[{"prefect.resource.id": f"prefect.flow-run.{run}", "prefect.resource.role": "flow-run"}],
            payload=dict(payload),
            id=uuid5(NAMESPACE_URL, f"{infrastructure}#{what}#{occasion}"),
        )

    async def _of(self, *types: StateType, name: str | None = None) -> "list[FlowRun]":
        pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[self._work_pool]))
        named = FlowRunFilterStateName(any_=[name]) if name else None
        states = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types)), name=named))
        found: dict[UUID, FlowRun] = {}
        while True:
            page = await self._client.read_flow_runs(
                work_pool_filter=pool, flow_run_filter=states, limit=_PAGE, offset=len(found)
            )
            new = {run.id: run for run in page if run.id not in found}
            found |= new
            # Runs that settle while pages are read move the others up: the next search finds what this one missed.
            if len(page) < _PAGE or not new:
                return list(found.values())

    async def _hold(self, found: "FlowRun | None", state: State[object]) -> bool:
        """Another kind of Pending for a run that is Pending."""
        held = found and found.state and found.state.type == StateType.PENDING
        return bool(found and held and await self._unless_over(found.id, state))

    async def _unless_over(self, run: UUID, state: State[object]) -> bool:
        """Proposes what the server, unlike Crashed, takes even of a run that has ended since it was read, or was
        scheduled again: such a run gets back what it had."""
        if not await self._propose(run, state):
            return False
        states = await self._states(run)
        if len(states) < 2 or states[-2].type in _UNSETTLED:  # none at all of one that was deleted just now
            return True
        await self._give_back(run, states[-1], states[-2])
        return False

    async def _give_back(self, run: UUID, last: State[object], had: State[object]) -> None:
        """Unless the run has said something since."""
        if last.id != had.id and last.type in {StateType.PENDING, StateType.CANCELLED, StateType.CRASHED}:
            await self._client.set_flow_run_state(run, had, force=True)

    async def _states(self, run: UUID) -> list[State[object]]:
        """In their order."""
        return sorted(await self._client.read_flow_run_states(run), key=lambda state: state.timestamp)

    async def _propose(self, run: UUID, state: State[object]) -> bool:
        try:
            answer = await self._client.set_flow_run_state(run, state)
        except ObjectNotFound:
            return False
        return answer.status == SetStateStatus.ACCEPT


def is_open(run: "FlowRun | None") -> bool:
    """Whether it is to be executed, is executed or is being cancelled: not final, paused or scheduled again."""
    return status(run) in {"pending", "running", "cancelling"}


def status(run: "FlowRun | None") -> Status:
    """What a run is to the work pool. One without a state has just been made."""
    if run is None:
        return "deleted"
    if run.state and run.state.state_details.pause_reschedule and run.state.type == StateType.PAUSED:
        return "suspended"
    return _STATUS.get(run.state.type, "final") if run.state else "scheduled"


def retries_in_process(run: "FlowRun") -> bool:
    """Whether the process that executes it begins its next try, and no worker does."""
    return run.empirical_policy.retry_type == "in_process"


def _attempt(states: Iterable[State[object]]) -> int:
    return present_attempt((state.type.value, state.name or "") for state in states)
