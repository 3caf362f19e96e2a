"""What is told to Prefect of a flow run that has gone on since it was read: nothing that it has said is overwritten."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import AwaitingRetry, Completed, Crashed, Failed, InfrastructurePending, Pending, Running, Scheduled

from deployments.azure_batch.runs import Runs


@flow
def nothing() -> None: ...


class Overtaken(Runs):
    """After it has read a run that is Pending, the run says how it went on."""

    def __init__(self, client: PrefectClient, meanwhile: State[Any]) -> None:
        super().__init__(client, "any")
        self.meanwhile = meanwhile

    async def read(self, run: UUID) -> FlowRun | None:
        found = await super().read(run)
        await self._client.set_flow_run_state(run, self.meanwhile, force=True)
        return found


async def waiting(runs: Runs, run: FlowRun) -> bool:
    return await runs.waiting(run.id, "no node yet")


async def claim(runs: Runs, run: FlowRun) -> bool:
    return await runs.claim(run)


async def cancel(runs: Runs, run: FlowRun) -> bool:
    return await runs.cancelled(run.id, "somebody cancelled it")


@pytest.mark.parametrize("tell", [waiting, claim, cancel])
@pytest.mark.parametrize(
    "meanwhile",
    [
        Completed(message="All went well."),
        Failed(message="A reason."),
        Crashed(message="Another reason."),
        AwaitingRetry(message="Later."),
    ],
    ids=lambda state: state.name,
)
def test_a_run_that_went_on_keeps_what_it_said(
    prefect_api: str, tell: Callable[[Runs, FlowRun], Awaitable[bool]], meanwhile: State[Any]
) -> None:
    async def go_on() -> tuple[bool, State[Any] | None]:
        async with get_client() as client:
            run = await client.create_flow_run(nothing, state=Pending())
            told = await tell(Overtaken(client, meanwhile), run)
            return told, (await client.read_flow_run(run.id)).state

    told, left = asyncio.run(go_on())
    assert not told
    assert left
    assert (left.type, left.name, left.message) == (meanwhile.type, meanwhile.name, meanwhile.message)


TAKEN_OVER: Sequence[State[Any]] = (Pending(), Pending(name="Resubmitting"))
EXECUTED: Sequence[State[Any]] = (Running(), Completed(message="All went well."))


@pytest.mark.parametrize(
    ("states", "attempt", "left"),
    [
        (TAKEN_OVER, 1, "Resubmitting"),
        ((*TAKEN_OVER, *EXECUTED), None, "Completed"),
        ((*TAKEN_OVER, *EXECUTED, Pending(name="Submitting")), None, "Completed"),
        ((*TAKEN_OVER, *EXECUTED, Pending(), Pending(name="Submitting")), None, "Completed"),
        ((*TAKEN_OVER, *EXECUTED, AwaitingRetry(), Pending(), Pending(name="Submitting")), 2, "Submitting"),
        ((*TAKEN_OVER, Running()), 1, "Running"),
    ],
    ids=["taken over", "ended", "ended while taken over", "ended while taken", "scheduled again", "begun"],
)
def test_an_attempt_is_counted_for_runs_that_are_to_be_executed(
    prefect_api: str, states: Sequence[State[Any]], attempt: int | None, left: str
) -> None:
    async def count() -> tuple[int | None, State[Any] | None]:
        async with get_client() as client:
            run = (await client.create_flow_run(nothing, state=Scheduled())).id
            for state in states:
                await client.set_flow_run_state(run, state, force=True)
            return await Runs(client, "any").attempt(run), (await client.read_flow_run(run)).state

    counted, state = asyncio.run(count())
    assert counted == attempt
    assert state
    assert state.name == left


def test_of_those_who_take_over_a_run_one_succeeds(prefect_api: str) -> None:
    async def take_over() -> list[bool]:
        async with get_client() as client:
            run = await client.create_flow_run(nothing, state=Pending())
            return await asyncio.gather(*(Runs(client, "any").claim(run) for _ in range(4)))

    assert sorted(asyncio.run(take_over())) == [False, False, False, True]


def test_a_new_reason_to_wait_replaces_another(prefect_api: str) -> None:
    async def wait() -> tuple[list[bool], State[Any] | None]:
        async with get_client() as client:
            run = await client.create_flow_run(nothing, state=Pending())
            runs = Runs(client, "any")
            told = [await runs.waiting(run.id, reason) for reason in ("no node yet", "the quota is reached")]
            return told, (await client.read_flow_run(run.id)).state

    told, state = asyncio.run(wait())
    assert told == [True, True]
    assert state
    assert (state.name, state.message) == (InfrastructurePending().name, "the quota is reached")
