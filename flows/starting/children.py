"""Runs of a deployment as children of the calling flow: each started once, a bounded number of them at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound

from tasks.errors import ConfigurationError

_SECONDS_BETWEEN_LOOKS = 2.0


@dataclass(frozen=True)
class Child:
    """`key` names the work: of two calls with the same one while a run of it is under way, the second joins it."""

    key: str
    parameters: dict[str, Any]


async def run_children(
    deployment: str,
    children: Sequence[Child],
    at_once: int,
    needed: Callable[[Child], Awaitable[bool]],
    ended: Callable[[Child, State | None], Awaitable[bool]],
) -> None:
    """Runs all children that are still `needed` when their turn comes, in their order. `ended` is told the final state
    of each, None of one that somebody deleted; once it has said False no more are started.

    A child whose last run has ended is run again: whether there is anything to do is for the caller to know. Raises
    ConfigurationError when there is no such deployment."""
    waiting, running, go_on = list(children), dict[UUID, Child](), True
    async with get_client() as client:
        while running or (waiting and go_on):
            while waiting and go_on and len(running) < at_once:
                child = waiting.pop(0)
                if not await needed(child):
                    continue
                running[await _start(client, deployment, child)] = child
            for run, state in (await _ended(client, list(running))).items():
                go_on = await ended(running.pop(run), state) and go_on
            if running:
                await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)


async def _start(client: PrefectClient, deployment: str, child: Child) -> UUID:
    """The run of this child that is under way, or a new one."""
    attempt = 1
    while True:
        run = await _run(client, deployment, child, attempt)
        if run.state is None or not run.state.is_final():
            return run.id
        attempt += 1


async def _run(client: PrefectClient, deployment: str, child: Child, attempt: int) -> FlowRun:
    """The run of this key: Prefect makes one, whoever asks and however often."""
    try:
        return await arun_deployment(
            deployment,
            client=client,
            parameters=child.parameters,
            flow_run_name=child.key,
            timeout=0,
            idempotency_key=f"{child.key}/{attempt}",
        )
    except ObjectNotFound:
        raise ConfigurationError(
            f"There is no deployment {deployment!r}. `prefect deployment ls` lists them, `prefect deploy --all` makes "
            "them."
        ) from None


async def _ended(client: PrefectClient, runs: list[UUID]) -> dict[UUID, State | None]:
    if not runs:
        return {}
    found = await client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=runs)), limit=200)
    under_way = {run.id for run in found if run.state is None or not run.state.is_final()}
    states = {run.id: run.state for run in found}
    return {run: states.get(run) for run in runs if run not in under_way}
