"""Runs whose worker is gone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from prefect_azure_batch.observation.evidence import infrastructure_of, owner_of

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

# Heartbeats that a worker has left out. Two who watch the same task do no harm, so that it need not be certain there.
_SILENT, _GONE = 2.0, 4.0


def is_orphan(run: "FlowRun", missing: Mapping[str, float], me: str) -> bool:
    """Whether no worker that lives has it. `missing` are the heartbeats that the workers have left out."""
    owner = owner_of(run)
    if owner is None or owner == me or owner not in missing:
        return True
    return missing[owner] >= (_SILENT if infrastructure_of(run) else _GONE)
