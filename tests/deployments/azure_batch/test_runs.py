"""A flow run that has gone on since it was read, or goes on elsewhere: nothing that it has said is overwritten, and it
is not executed again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import AwaitingRetry, Completed, Crashed, Failed, InfrastructurePending, Pending, Running, Scheduled
from prefect.workers.base import BaseWorker

from deployments.azure_batch import AzureBatchWorker
from deployments.azure_batch.diagnosis import ELSEWHERE
from deployments.azure_batch.runs import Runs
from tests.batch_image.flow_runs import FlowRuns
from tests.deployments.azure_batch.stage import KILLED, SETTINGS_HERE, new_worker, until


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


@pytest.mark.parametrize("late", [False, True])
def test_a_run_that_another_worker_has_executed_meanwhile_is_not_executed_again(stage, monkeypatch, late):
    """It was in the queues of both; the server would make it Pending again. `late`: it ends at the last moment."""
    run = stage.start(stage.deploy("hello", env=KILLED))

    async def work() -> Any:
        async with new_worker(stage) as worker:
            queued = await worker.client.read_flow_run(run)
            propose = BaseWorker._propose_pending_state

            async def overtaken(self: AzureBatchWorker, flow_run: FlowRun) -> bool:
                await execute(worker.client)
                return await propose(self, flow_run)

            if late:
                monkeypatch.setattr(BaseWorker, "_propose_pending_state", overtaken)
            else:
                await execute(worker.client)
            worker._submitting_flow_run_ids.add(run)
            await worker._submit_run(queued)
            await until(lambda: not worker.cared_for)

    async def execute(client: PrefectClient) -> None:
        states: list[State[Any]] = [Pending(), Running(), Completed(message="by another worker")]
        for state in states:
            await client.set_flow_run_state(run, state)

    asyncio.run(work())
    assert stage.states(run)[-1] == "Completed: by another worker"
    assert not stage.read(run).infrastructure_pid


@pytest.mark.parametrize("alive", [True, False])
def test_a_run_that_goes_on_where_batch_cannot_see_it_is_not_crashed_while_it_lives(stage, monkeypatch, alive):
    """Batch has started its task again; the launcher sees that the first execution lives, and ends with 80."""
    left = {"EMULATOR_SIMULATE_SECONDS": "1", "EMULATOR_SIMULATE_EXIT_CODE": str(ELSEWHERE)}
    run = stage.start(stage.deploy("killed", env=left))

    heard: list[float] = []
    silence = Runs.silence

    async def listen(self: Runs, of: UUID) -> float:
        heard.append(await silence(self, of))
        return heard[-1]

    monkeypatch.setattr(Runs, "silence", listen)
    if alive:
        FlowRuns(stage.api).heartbeat(str(run))

    async def work() -> Any:
        async with new_worker(stage) as worker, get_client() as client:
            worker.settings = SETTINGS_HERE.model_copy(update={"heartbeat_seconds": 600 if alive else 1})
            await worker.get_and_submit_flow_runs()
            if alive:
                await until(lambda: any(site.observer.watched for site in worker.sites))
                await client.set_flow_run_state(run, Running())
                # The server keeps events some seconds after it has received them.
                await until(lambda: heard and heard[-1] < 600)
                assert stage.read(run).state.name == "Running"
                await client.set_flow_run_state(run, Completed())
            await until(lambda: stage.read(run).state.is_final() and not worker.cared_for)

    asyncio.run(work())
    assert stage.read(run).state.name == ("Completed" if alive else "Crashed")
