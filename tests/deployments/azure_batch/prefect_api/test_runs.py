"""A flow run that has gone on since it was read, or goes on elsewhere: nothing that it has said is overwritten, and it
is not executed again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import AwaitingRetry, Completed, Crashed, Failed, InfrastructurePending, Pending, Running, Scheduled

from batch_launcher.exit_codes import ExitCode
from prefect_azure_batch.prefect_api.runs import PrefectRuns
from tests.deployments.azure_batch.batch_launcher.flow_runs import FlowRuns
from tests.deployments.azure_batch.stage import KILLED, SETTINGS_HERE, new_worker, queued, submit, until


@flow
def nothing() -> None: ...


class Overtaken(PrefectRuns):
    """After it has read a run that is Pending, the run says how it went on."""

    def __init__(self, client: PrefectClient, meanwhile: State[Any]) -> None:
        super().__init__(client, "any")
        self.meanwhile = meanwhile

    async def read(self, run: UUID) -> FlowRun | None:
        found = await super().read(run)
        await self._client.set_flow_run_state(run, self.meanwhile, force=True)
        return found


async def waiting(runs: PrefectRuns, run: FlowRun) -> bool:
    return await runs.set_waiting(run.id, "no node yet")


async def claim(runs: PrefectRuns, run: FlowRun) -> bool:
    return await runs.claim(run)


async def cancel(runs: PrefectRuns, run: FlowRun) -> bool:
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
    prefect_api: str, tell: Callable[[PrefectRuns, FlowRun], Awaitable[bool]], meanwhile: State[Any]
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
            return await PrefectRuns(client, "any").attempt(run), (await client.read_flow_run(run)).state

    counted, state = asyncio.run(count())
    assert counted == attempt
    assert state
    assert state.name == left


def test_of_those_who_take_over_a_run_one_succeeds(prefect_api: str) -> None:
    async def take_over() -> list[bool]:
        async with get_client() as client:
            run = await client.create_flow_run(nothing, state=Pending())
            return await asyncio.gather(*(PrefectRuns(client, "any").claim(run) for _ in range(4)))

    assert sorted(asyncio.run(take_over())) == [False, False, False, True]


def test_a_new_reason_to_wait_replaces_another(prefect_api: str) -> None:
    async def wait() -> tuple[list[bool], State[Any] | None]:
        async with get_client() as client:
            run = await client.create_flow_run(nothing, state=Pending())
            runs = PrefectRuns(client, "any")
            told = [await runs.set_waiting(run.id, reason) for reason in ("no node yet", "the quota is reached")]
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
            found, ask = await queued(worker), worker.may_be_submitted

            async def overtaken(flow_run: FlowRun) -> bool:
                allowed = await ask(flow_run)
                await execute(worker.client)
                return allowed

            if late:
                monkeypatch.setattr(worker, "may_be_submitted", overtaken)
            else:
                await execute(worker.client)
            await submit(worker, found)
            await until(lambda: not worker.known_runs)

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
    left = {"EMULATOR_SIMULATE_SECONDS": "1", "EMULATOR_SIMULATE_EXIT_CODE": str(int(ExitCode.EXECUTING_ELSEWHERE))}
    run = stage.start(stage.deploy("killed", env=left))

    heard: list[float] = []
    silence = PrefectRuns.seconds_since_heartbeat

    async def listen(self: PrefectRuns, of: UUID) -> float:
        heard.append(await silence(self, of))
        return heard[-1]

    monkeypatch.setattr(PrefectRuns, "seconds_since_heartbeat", listen)
    if alive:
        FlowRuns(stage.api).heartbeat(str(run))

    async def work() -> Any:
        settings = SETTINGS_HERE.model_copy(update={"heartbeat_seconds": 600 if alive else 1})
        async with new_worker(stage, settings=settings) as worker, get_client() as client:
            await worker.get_and_submit_flow_runs()
            if alive:
                await until(lambda: any(account.observer.watched for account in worker.accounts))
                await client.set_flow_run_state(run, Running())
                # The server keeps events some seconds after it has received them.
                await until(lambda: heard and heard[-1] < 600)
                assert stage.read(run).state.name == "Running"
                await client.set_flow_run_state(run, Completed())
            await until(lambda: stage.read(run).state.is_final() and not worker.known_runs)

    asyncio.run(work())
    assert stage.read(run).state.name == ("Completed" if alive else "Crashed")


def test_what_the_server_aborts_or_rejects_is_no_exception(stage):
    run = stage.start(stage.deploy("hello"))

    async def work() -> Any:
        async with get_client() as client:
            runs = PrefectRuns(client, stage.work_pool)
            await client.set_flow_run_state(run, Pending())
            await client.set_flow_run_state(run, Running())
            aborted = await runs.set_waiting(run, "for nothing")
            await client.set_flow_run_state(run, Completed())
            # The server itself would take the last two.
            told = (
                await runs.crashed(run, "late"),
                await runs.set_waiting(run, "late"),
                await runs.cancelled(run, "late"),
            )
            nobody = await runs.crashed(uuid4(), "deleted"), await runs.read(uuid4())
            return aborted, told, nobody

    assert asyncio.run(work()) == (False, (False, False, False), (False, None))
    assert stage.read(run).state.name == "Completed"
