"""Hundreds of flow runs of one work pool: how they are started and counted, and how patiently workers wait for them."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State

from tests.deployments.azure_batch.stage import Stage
from tests.servers.patient import patient_client

SEED = 20260101
PATIENCE = 900
# Not as hasty as other tests: what hundreds of runs ask of Prefect is what takes the time.
SETTINGS = {
    "POLL_SECONDS": "1",
    "IDLE_POLL_SECONDS": "2",
    "REASON_SECONDS": "30",
    "RECONCILE_SECONDS": "5",
    "ORPHAN_SECONDS": "10",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "5",
}
ENDLESS = {"EMULATOR_SIMULATE_SECONDS": str(10**6)}  # until the container ends it


async def start(deployment: UUID, count: int) -> set[UUID]:
    gate = asyncio.Semaphore(8)

    async def one() -> UUID:
        async with gate:
            return (await client.create_flow_run_from_deployment(deployment)).id

    async with patient_client() as client:
        return set(await asyncio.gather(*(one() for _ in range(count))))


async def count_open(client: PrefectClient, stage: Stage) -> int:
    """How many have not ended."""
    types = FlowRunFilterStateType(not_any_=list(TERMINAL_STATES))
    runs = FlowRunFilter(state=FlowRunFilterState(type=types))
    return await client.count_flow_runs(work_pool_filter=_of(stage), flow_run_filter=runs)


async def all_runs(stage: Stage) -> list[FlowRun]:
    found: dict[UUID, FlowRun] = {}
    async with patient_client() as client:
        while True:
            page = await client.read_flow_runs(work_pool_filter=_of(stage), limit=200, offset=len(found))
            found |= {run.id: run for run in page}
            if len(page) < 200:
                return list(found.values())


def state_of(run: FlowRun) -> State[Any]:
    assert run.state
    return run.state


def check(actors: Sequence["asyncio.Task[None]"]) -> None:
    for task in actors:
        if task.done():
            task.result()


def _of(stage: Stage) -> WorkPoolFilter:
    return WorkPoolFilter(name=WorkPoolFilterName(any_=[stage.work_pool]))
