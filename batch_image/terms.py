"""What the environment of a Batch task says about executing its flow run."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from batch_image.refusal import Exit, Refusal

_POLICIES = ("rerun", "crash", "always")
_MISSED = 3  # heartbeats, and the process that sent them is dead
_FREQUENCY = 180.0  # seconds between heartbeats: Prefect's own default


@dataclass(frozen=True)
class Terms:
    """`execution` names node, job and task. `stale_after`: seconds without a sign of life of an execution that died."""

    flow_run_id: UUID
    policy: str
    execution: str
    stale_after: float
    patience: float


def read_terms(environment: Mapping[str, str]) -> Terms:
    """Raises Refusal with CONFIGURATION."""
    policy = environment.get("AZURE_BATCH_ON_REQUEUE") or "rerun"
    if policy not in _POLICIES:
        raise Refusal(Exit.CONFIGURATION, f"AZURE_BATCH_ON_REQUEUE is '{policy}'. Set it to {', '.join(_POLICIES)}.")
    try:
        flow_run_id = UUID(environment["PREFECT__FLOW_RUN_ID"])
    except ValueError:
        raise Refusal(Exit.CONFIGURATION, "PREFECT__FLOW_RUN_ID is not the id of a flow run. Unset it.") from None
    frequency = _seconds(environment, "PREFECT_RUNNER_HEARTBEAT_FREQUENCY", _FREQUENCY)
    return Terms(
        flow_run_id=flow_run_id,
        policy=policy,
        execution="/".join(environment.get(f"AZ_BATCH_{what}_ID", "") for what in ("NODE", "JOB", "TASK")).strip("/"),
        stale_after=_MISSED * _seconds(environment, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY", frequency),
        patience=_seconds(environment, "AZURE_BATCH_API_PATIENCE", 300.0),
    )


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name) or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise Refusal(Exit.CONFIGURATION, f"{name} is '{text}', which is not a number of seconds.")
    return seconds
