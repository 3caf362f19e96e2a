"""Hundreds of flow runs while everything fails: none is lost, none executed twice at the same time, none left behind.

The tasks are simulated; Prefect, the workers and the protocol between them and the service are real.
"""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelling, Failed

from azure_batch_emulator.running_emulator import running_emulator
from tests.deployments.azure_batch.stage import Stage, create_pool, make_stage
from tests.reliability.containers import Containers
from tests.servers.postgres import running_postgres
from tests.servers.prefect_on_postgres import prefect_on_postgres

SEED = 20260101
# 500 in all. Each costs Prefect's server, which has one core, some twenty calls.
WITH_FAULTS, WITH_KILLS, WITH_RIVALS = 200, 100, 200
WITH_USERS, CHANGES_OF_MIND, LIMIT = 40, 120, 4
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
ALL_WAYS = [
    {"kind": "throttled", "rate": 0.04},
    {"kind": "throttled", "rate": 0.02, "retry_after": 1},
    {"kind": "busy", "rate": 0.04},
    {"kind": "internal", "rate": 0.04},
    {"kind": "reset", "rate": 0.03},
    {"kind": "answer_lost", "rate": 0.03},
    {"kind": "slow", "rate": 0.02, "seconds": 0.5},
    {"kind": "node_preempted", "rate": 0.02, "seconds": 5},
    {"kind": "node_failed", "rate": 0.01, "seconds": 5},
]


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with running_postgres() as postgres, prefect_on_postgres(postgres, tmp_path_factory.mktemp("prefect")) as url:
        yield url


@pytest.fixture
def emulator():
    with running_emulator(speed=30, seed=SEED) as running:
        create_pool(running, nodes=4, spot=4, slots=8)
        yield running


@pytest.fixture
def stage(api, emulator):
    return make_stage(api, emulator)


def test_a_fifth_of_all_calls_fails(stage):
    with stage.worker(**SETTINGS):
        ordeal(stage, WITH_FAULTS, faults=ALL_WAYS)


def test_the_worker_is_killed_and_started_again_ten_times(stage):
    kills = 0

    async def kill() -> None:
        nonlocal kills
        chance = random.Random(SEED)
        worker = stage.start_worker("only", **SETTINGS)
        try:
            while kills < 10:
                await asyncio.to_thread(_until_it_works, stage)
                await asyncio.sleep(chance.uniform(0, 3))  # at any moment of its work
                worker.kill()
                await asyncio.to_thread(worker.wait, 10)
                kills += 1
                worker = stage.start_worker("only", **SETTINGS)
            await asyncio.Event().wait()  # until the ordeal is over
        finally:
            worker.kill()
            worker.wait(10)

    ordeal(stage, WITH_KILLS, actor=kill)
    assert kills == 10


def _until_it_works(stage: Stage) -> None:
    """A worker that has just been started, by its first call of the service."""
    deadline = time.monotonic() + PATIENCE
    stage.emulator.admin("calls", method="DELETE")
    while not stage.emulator.admin("calls")["operations"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)  # polled, with a deadline


def test_two_workers_compete(stage):
    with stage.worker(**SETTINGS), stage.worker(**SETTINGS):
        ordeal(stage, WITH_RIVALS)


def test_users_cancel_delete_force_and_retry_while_two_workers_have_a_limit(stage):
    """No slot is lost, no worker ends, none of the runs goes on without an end, and no task stays behind."""
    with stage.worker(limit=LIMIT, **SETTINGS) as one, stage.worker(limit=LIMIT, **SETTINGS) as two:
        asyncio.run(_change_minds(stage))
        assert (one.poll(), two.poll()) == (None, None)


async def _change_minds(stage: Stage) -> None:
    containers = Containers(stage.emulator)
    deployment = stage.deploy("hello", cancel_grace=2, env={"EMULATOR_SIMULATE_SECONDS": str(10**6)})
    living = asyncio.create_task(containers.live())
    chance = random.Random(SEED)
    try:
        async with get_client() as client, asyncio.timeout(PATIENCE):
            containers.well |= (runs := await _start(deployment, WITH_USERS))
            for _ in range(CHANGES_OF_MIND):
                await _change(client, chance, chance.choice(sorted(runs)))
                await asyncio.sleep(chance.uniform(0, 0.5))  # at any moment of their lives
            # As many as have a place at once: where one was lost, they would wait for ever.
            containers.well |= (last := await _start(deployment, 2 * LIMIT))
            while await _open(client, stage) or _living_tasks(stage):
                await asyncio.sleep(1)  # polled, with a deadline
                _check([living])
            ends = [_state(await client.read_flow_run(run)).name for run in last]
            assert ends == ["Completed"] * len(last)
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


def _living_tasks(stage: Stage) -> list[str]:
    jobs = stage.emulator.admin("state?tasks=1000")["jobs"]
    return [task["id"] for job in jobs for task in job["tasks"] if task["state"] != "completed"]


async def _change(client: PrefectClient, chance: random.Random, run: UUID) -> None:
    with suppress(ObjectNotFound):
        state = _state(await client.read_flow_run(run))
        if state.is_final():
            await client.set_flow_run_state(run, AwaitingRetry(), force=True)
        elif (wish := chance.random()) < 0.5:
            await client.set_flow_run_state(run, Cancelling())
        elif wish < 0.9:
            await client.set_flow_run_state(run, Failed(message="by hand"), force=True)
        else:
            await client.delete_flow_run(run)


def ordeal(
    stage: Stage,
    count: int,
    faults: Sequence[dict[str, Any]] = (),
    actor: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Starts so many runs, and holds them to the demands when all have ended; a tenth of their tasks is killed."""
    begin = time.monotonic()
    killed, runs, containers = asyncio.run(_live_through(stage, count, list(faults), actor))
    states = Counter(_state(run).name for run in runs)
    sys.stderr.write(
        f"{count} runs: {dict(states)} in {time.monotonic() - begin:.0f} s, {stage.emulator.admin('calls')}\n"
    )
    assert len(runs) == count
    wrong = [run.id for run in runs if (_state(run).name == "Crashed") != (run.id in killed)]
    assert [stage.states(run) for run in wrong] == []
    assert states == {"Completed": count - len(killed), "Crashed": len(killed)}
    assert not containers.twice
    assert set(containers.tasks.values()) == {1}


async def _live_through(
    stage: Stage,
    count: int,
    faults: list[dict[str, Any]],
    actor: Callable[[], Coroutine[Any, Any, None]] | None,
) -> tuple[set[UUID], list[FlowRun], Containers]:
    containers = Containers(stage.emulator)
    well = stage.deploy("hello", env={"EMULATOR_SIMULATE_SECONDS": str(10**6)})  # until the container ends it
    killed = stage.deploy("killed", env={"EMULATOR_SIMULATE_SECONDS": "60", "EMULATOR_SIMULATE_EXIT_CODE": "137"})
    stage.emulator.admin("faults", faults)
    actors = [asyncio.create_task(containers.live())]
    actors += [asyncio.create_task(actor())] if actor else []
    try:
        containers.well |= await _start(well, count - count // 10)
        victims = await _start(killed, count // 10)
        async with get_client() as client, asyncio.timeout(PATIENCE):
            while await _open(client, stage):
                await asyncio.sleep(1)  # polled, with a deadline
                _check(actors)
    except TimeoutError:
        left = [(run.id, run.state, run.infrastructure_pid) for run in await _runs(stage) if not _state(run).is_final()]
        raise AssertionError(f"after {PATIENCE} s {len(left)} have not ended: {left[:5]}") from None
    finally:
        for task in actors:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*actors, return_exceptions=True)
    return victims, await _runs(stage), containers


async def _open(client: PrefectClient, stage: Stage) -> int:
    """How many have not ended."""
    pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[stage.work_pool]))
    types = FlowRunFilterStateType(not_any_=list(TERMINAL_STATES))
    runs = FlowRunFilter(state=FlowRunFilterState(type=types))
    return await client.count_flow_runs(work_pool_filter=pool, flow_run_filter=runs)


def _check(actors: Sequence["asyncio.Task[None]"]) -> None:
    for task in actors:
        if task.done():
            task.result()


async def _start(deployment: UUID, count: int) -> set[UUID]:
    gate = asyncio.Semaphore(8)

    async def one() -> UUID:
        async with gate:
            return (await client.create_flow_run_from_deployment(deployment)).id

    async with get_client() as client:
        return set(await asyncio.gather(*(one() for _ in range(count))))


async def _runs(stage: Stage) -> list[FlowRun]:
    pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[stage.work_pool]))
    found: dict[UUID, FlowRun] = {}
    async with get_client() as client:
        while True:
            page = await client.read_flow_runs(work_pool_filter=pool, limit=200, offset=len(found))
            found |= {run.id: run for run in page}
            if len(page) < 200:
                return list(found.values())


def _state(run: FlowRun) -> State[Any]:
    assert run.state
    return run.state
