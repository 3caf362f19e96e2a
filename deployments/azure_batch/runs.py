"""What the work pool asks and tells Prefect about its flow runs. Nothing here is about Batch."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import State, StateType, WorkerStatus
from prefect.client.schemas.responses import SetStateStatus
from prefect.events import emit_event
from prefect.exceptions import ObjectNotFound
from prefect.logging.loggers import PrefectLogAdapter, flow_run_logger
from prefect.states import Cancelled, Crashed, InfrastructurePending, Pending

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

_PAGE = 200
_HEARTBEAT = 30  # seconds, where Prefect has not been told
_UNSETTLED = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
Settled = Literal["settled", "cancelling", "open"]


class Runs:
    """The flow runs of one work pool. Every method raises what Prefect's client raises."""

    def __init__(self, client: PrefectClient, work_pool: str) -> None:
        self._client, self._work_pool = client, work_pool

    async def read(self, run: UUID) -> "FlowRun | None":
        """None when it was deleted."""
        try:
            return await self._client.read_flow_run(run)
        except ObjectNotFound:
            return None

    async def cancelling(self) -> Mapping[UUID, datetime]:
        """Those of the work pool that somebody cancels, and since when."""
        runs = await self._of_types([StateType.CANCELLING])
        return {run.id: run.state.timestamp for run in runs if run.state}

    async def unsettled(self) -> "list[FlowRun]":
        """All that are pending, running or being cancelled."""
        return await self._of_types(_UNSETTLED)

    async def final(self, runs: Iterable[UUID]) -> set[UUID]:
        """Which of these have ended, by whatever way, or were deleted."""
        ids, found, over = list(runs), set(), set()
        for begin in range(0, len(ids), _PAGE):
            some = FlowRunFilter(id=FlowRunFilterId(any_=ids[begin : begin + _PAGE]))
            page = await self._client.read_flow_runs(flow_run_filter=some, limit=_PAGE)
            found |= {run.id for run in page}
            over |= {run.id for run in page if run.state and run.state.is_final()}
        return over | (set(ids) - found)

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
        return max(1, sum(state.type == StateType.PENDING and state.name == "Pending" for state in states))

    async def missing_heartbeats(self) -> dict[str, float]:
        """Of each worker of the work pool, by its name: how many it should have sent since its last one.

        Prefect itself calls a worker offline after three, and some time later.
        """
        now, missing = datetime.now(UTC), {}
        for worker in await self._client.read_workers_for_work_pool(self._work_pool):
            if worker.last_heartbeat_time and worker.status == WorkerStatus.ONLINE:
                silent = (now - worker.last_heartbeat_time).total_seconds()
                missing[worker.name] = silent / (worker.heartbeat_interval_seconds or _HEARTBEAT)
        return missing

    async def waiting(self, run: UUID, reason: str) -> bool:
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
        if not (found and found.state and run.state and found.state.id == run.state.id) or found.infrastructure_pid:
            return False
        name = "Submitting" if run.state.name == "Resubmitting" else "Resubmitting"
        return await self._hold(found, Pending(name=name, message="Its worker is gone; taken over."))

    async def silence(self, run: UUID) -> float:
        """Seconds since Prefect has heard a heartbeat of the run's process; endless where it never did."""
        wanted = {
            "event": {"name": ["prefect.flow-run.heartbeat"]},
            "resource": {"id": [f"prefect.flow-run.{run}"]},
            "order": "DESC",
        }
        # Prefect's client has no method for it.
        answer = await self._client._client.post("/events/filter", json={"filter": wanted, "limit": 1})  # noqa: SLF001
        events = answer.raise_for_status().json()["events"]
        if not events:
            return float("inf")
        return (datetime.now(UTC) - datetime.fromisoformat(events[0]["received"])).total_seconds()

    async def crashed(self, run: UUID, message: str) -> bool:
        return await self._propose(run, Crashed(message=message))

    async def cancelled(self, run: UUID, message: str) -> bool:
        """Never of a run that has ended meanwhile."""
        return is_open(await self.read(run)) and await self._unless_over(run, Cancelled(message=message))

    async def placed(self, run: UUID, place: str) -> None:
        """Writes down where the run is."""
        await self._client.update_flow_run(run, infrastructure_pid=place)

    def logger(self, run: UUID) -> PrefectLogAdapter:
        """Writes into the run's logs."""
        return flow_run_logger(flow_run_id=run).getChild("azure-batch")

    def tell(self, run: UUID, place: str, what: str, occasion: str, payload: Mapping[str, object]) -> None:
        """Emits `prefect.azure-batch.task.{what}`; the event's id is the same whichever worker tells, and how often."""
        emit_event(
            event=f"prefect.azure-batch.task.{what}",
            resource={"prefect.resource.id": f"prefect.azure-batch.task.{place}"},
            related=[{"prefect.resource.id": f"prefect.flow-run.{run}", "prefect.resource.role": "flow-run"}],
            payload=dict(payload),
            id=uuid5(NAMESPACE_URL, f"{place}#{what}#{occasion}"),
        )

    async def _of_types(self, types: Iterable[StateType]) -> "list[FlowRun]":
        pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[self._work_pool]))
        states = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types))))
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
        if last.id != had.id and last.type in {StateType.PENDING, StateType.CANCELLED}:
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
    return bool(run and run.state and run.state.type in _UNSETTLED)


def standing(run: "FlowRun | None", place: str) -> Settled:
    """Whether a task at `place` that has ended still has to say so: not for a run that has ended, is paused, was
    scheduled again, or is somewhere else by now."""
    if run is None or run.state is None or (run.infrastructure_pid or place) != place:
        return "settled"
    if run.state.type == StateType.CANCELLING:
        return "cancelling"
    return "open" if run.state.type in _UNSETTLED else "settled"
