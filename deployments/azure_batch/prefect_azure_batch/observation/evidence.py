"""What Prefect says of a run, as `decide` takes it; `reporter.py` has what Batch says of its tasks."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from batch_launcher.attempts import LABEL, parse_task_id
from prefect_azure_batch.decision import Run
from prefect_azure_batch.prefect_api.runs import retries_in_process, status
from prefect_azure_batch.service.identifiers import Infrastructure

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun


def evidence_of(run: "FlowRun | None", attempt: int = 1) -> Run:
    """`attempt` is the present one, or one that there was: where the run is, tells of one too."""
    if run is None:
        return Run("deleted", attempt)
    place = infrastructure_of(run)
    since = run.state.timestamp if run.state else run.created
    return Run(
        status(run),
        max(attempt, attempt_at(place) if place else 1),
        seconds=(datetime.now(UTC) - since).total_seconds() if since else 0.0,
        retries_in_process=retries_in_process(run),
        ad_hoc=run.deployment_id is None and owner_of(run) is None,
        placed=place is not None or LABEL in run.labels,
        completed=bool(run.state and run.state.is_completed()),
    )


def infrastructure_of(run: "FlowRun") -> Infrastructure | None:
    """None too when it is not in Azure Batch."""
    try:
        return Infrastructure.parse(run.infrastructure_pid or "")
    except ValueError:
        return None


def attempt_at(place: Infrastructure) -> int:
    """Which attempt of its run the task is for."""
    parsed = parse_task_id(place.task)
    return parsed[1] if parsed else 1


def owner_of(run: "FlowRun") -> str | None:
    """The worker that took it from its queue; none has taken one that a script submits."""
    return str(run.labels["prefect.worker.name"]) if "prefect.worker.name" in run.labels else None
