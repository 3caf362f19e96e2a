"""Takes over the runs whose worker is gone: watches those that have a task, and submits those that never got one."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from prefect.client.schemas.objects import StateType

from deployments.azure_batch.client import BatchService
from deployments.azure_batch.errors import Refused
from deployments.azure_batch.identifiers import Infrastructure, parse_task_id

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

# Heartbeats that a worker has left out.
_SILENT, _GONE = 2.0, 4.0


@dataclass(frozen=True)
class Orphan:
    """A run that nobody cares for, and where it is, if that is known."""

    run: "FlowRun"
    place: Infrastructure | None


def orphans(
    runs: "Iterable[FlowRun]", *, known: set[UUID], missing: Mapping[str, float], me: str, patience: float
) -> list[Orphan]:
    """Of the unsettled runs of the work pool: `known` are those this worker cares for, `missing` the heartbeats that
    the workers have left out.

    A run without a place is one only after `patience` seconds in its state: its worker may be about to write it down.
    """
    found = [Orphan(run, place_of(run)) for run in runs if run.id not in known]
    return [orphan for orphan in found if _is_left(orphan, missing, me, patience)]


def _is_left(orphan: Orphan, missing: Mapping[str, float], me: str, patience: float) -> bool:
    owner = _owner(orphan.run)
    lives = owner != me and owner in missing
    if orphan.place:
        # Two who watch the same task do no harm, so that this need not be certain.
        return not (lives and missing[str(owner)] < _SILENT)
    return not (lives and missing[str(owner)] < _GONE) and _age(orphan.run) > patience


def place_of(run: "FlowRun") -> Infrastructure | None:
    """None too when it is not in Azure Batch."""
    try:
        return Infrastructure.parse(run.infrastructure_pid or "")
    except ValueError:
        return None


def may_be_submitted(run: "FlowRun") -> bool:
    """Whether it is still to be executed: a run that is cancelled, or runs somewhere, is not."""
    return bool(run.state and run.state.type == StateType.PENDING and not run.infrastructure_pid)


async def find(service: BatchService, jobs: Iterable[str], run: UUID) -> Infrastructure | None:
    """The task of the run's last attempt, in whichever of these jobs it is."""
    places: dict[int, Infrastructure] = {}
    for job in jobs:
        try:
            tasks = await service.list_tasks(job, f"startswith(id,'{run}-')", seconds=30)
        except Refused as refusal:
            if refusal.code != "JobNotFound":
                raise
            continue
        for task in tasks:
            if parsed := parse_task_id(task.id):
                places[parsed[1]] = Infrastructure(service.host, job, task.id)
    return places[max(places)] if places else None


async def each(works: Iterable[Awaitable[None]], failed: Callable[[Exception], None]) -> None:
    """One after the other: one that fails does not keep the others from being done."""
    for work in works:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - said by `failed`; the next sweep tries again
            failed(error)


def _owner(run: "FlowRun") -> str | None:
    return str(run.labels["prefect.worker.name"]) if "prefect.worker.name" in run.labels else None


def _age(run: "FlowRun") -> float:
    return (datetime.now(UTC) - run.state.timestamp).total_seconds() if run.state else 0.0
