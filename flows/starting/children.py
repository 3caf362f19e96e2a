"""Runs of a deployment as children of the calling flow: each started once, a bounded number of them at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from prefect import get_client, get_run_logger, runtime
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, StateType
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from tasks.errors import ConfigurationError
from tasks.prefect_api.failures import api_failure

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

    A child whose last run has ended is run again: whether there is anything to do is for the caller to know. Whoever
    is interrupted in a shell cancels those that it has started, and leaves those that it has joined.

    Raises ConfigurationError when there is no such deployment."""
    waiting, running, go_on = list(children), dict[UUID, Child](), True
    async with get_client() as client:
        try:
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
        except asyncio.CancelledError:
            # Of a run that a worker executes Prefect cancels the children itself, and one whose node goes is resumed.
            if runtime.deployment.id is None:
                await _cancel(client, [child.key for child in running.values()])
            raise


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


async def _cancel(client: PrefectClient, names: Sequence[str]) -> None:
    """Cancels the children that this run has started, and says what becomes of all that are under way."""
    logger, mine = get_run_logger(), FlowRunFilterParentFlowRunId(any_=[UUID(runtime.flow_run.id)])
    under_way = FlowRunFilterState(type=FlowRunFilterStateType(not_any_=[*TERMINAL_STATES, StateType.CANCELLING]))
    try:
        runs = await client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=mine, state=under_way))
        for run in runs:
            await client.set_flow_run_state(run.id, Cancelling(message="Whoever had started it was interrupted."))
    except httpx.HTTPError as error:
        text = "Interrupted. Its child runs go on, and are joined when it is started again: %s. %s"
        logger.warning(text, ", ".join(names) or "none", api_failure(error) or error)
        return
    cancelled = [run.name for run in runs]
    text = "Interrupted. Its child runs are cancelled, what they have stored stays: %s"
    logger.warning(text, ", ".join(cancelled) or "none")
    if others := sorted(set(names) - set(cancelled)):
        logger.warning("Runs that somebody else has started go on: %s", ", ".join(others))
