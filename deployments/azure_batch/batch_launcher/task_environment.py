"""What the environment of a Batch task says about executing its flow run."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from batch_launcher.attempts import parse_task_id
from batch_launcher.exit_codes import ExitCode, Refusal

_POLICIES = ("rerun", "crash", "always")
_MISSED = 3  # heartbeats, and the process that sent them is dead
_FREQUENCY = 180.0  # seconds between heartbeats: Prefect's own default


@dataclass(frozen=True)
class TaskEnvironment:
    """`execution` names node, job and task. `stale_after`: seconds without a sign of life of an execution that died.
    `attempt` is None where no work pool has named the task."""

    flow_run_id: UUID
    policy: str
    execution: str
    attempt: int | None
    stale_after: float
    patience: float


def read_task_environment(environment: Mapping[str, str]) -> TaskEnvironment:
    """Raises Refusal with CONFIGURATION."""
    policy = environment.get("AZURE_BATCH_ON_REQUEUE") or "rerun"
    if policy not in _POLICIES:
        raise Refusal(
            ExitCode.CONFIGURATION, f"AZURE_BATCH_ON_REQUEUE is '{policy}'. Set it to {', '.join(_POLICIES)}."
        )
    try:
        flow_run_id = UUID(environment["PREFECT__FLOW_RUN_ID"])
    except ValueError:
        raise Refusal(ExitCode.CONFIGURATION, "PREFECT__FLOW_RUN_ID is not the id of a flow run. Unset it.") from None
    task = parse_task_id(environment.get("AZ_BATCH_TASK_ID", ""))
    old_name = _seconds(environment, "PREFECT_RUNNER_HEARTBEAT_FREQUENCY", _FREQUENCY)  # Prefect reads it too, second
    return TaskEnvironment(
        flow_run_id=flow_run_id,
        policy=policy,
        execution="/".join(environment.get(f"AZ_BATCH_{what}_ID", "") for what in ("NODE", "JOB", "TASK")).strip("/"),
        attempt=task[1] if task and task[0] == flow_run_id else None,
        stale_after=_MISSED * _seconds(environment, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY", old_name),
        patience=_seconds(environment, "AZURE_BATCH_API_PATIENCE", 300.0),
    )


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name) or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise Refusal(ExitCode.CONFIGURATION, f"{name} is '{text}', which is not a number of seconds.")
    return seconds
