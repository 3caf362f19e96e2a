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
from prefect.client.schemas.objects import FlowRun

from azure_batch_emulator.running_emulator import running_emulator
from tests.deployments.azure_batch.stage import Stage, create_pool, make_stage
from tests.reliability.containers import Containers
from tests.reliability.runs import ENDLESS, PATIENCE, SEED, SETTINGS, all_runs, check, count_open, start, state_of
from tests.reliability.users import live_through
from tests.servers.patient import patient_client
from tests.servers.postgres import running_postgres
from tests.servers.prefect_on_postgres import prefect_on_postgres

# 400 in all. Each costs Prefect's server, which has one core, some twenty calls.
WITH_FAULTS, WITH_KILLS, WITH_RIVALS = 150, 100, 150
WITH_USERS, CHANGES_OF_MIND = 16, 80
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


def test_users_cancel_delete_force_and_retry_while_workers_with_a_limit_stay_or_run_once(stage):
    story = live_through(stage, lambda story: story.changes.total() < CHANGES_OF_MIND, WITH_USERS)
    assert story.ran_once


def ordeal(
    stage: Stage,
    count: int,
    faults: Sequence[dict[str, Any]] = (),
    actor: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Starts so many runs, and holds them to the demands when all have ended; a tenth of their tasks is killed."""
    begin = time.monotonic()
    killed, runs, containers = asyncio.run(_live_through(stage, count, list(faults), actor))
    states = Counter(state_of(run).name for run in runs)
    sys.stderr.write(
        f"{count} runs: {dict(states)} in {time.monotonic() - begin:.0f} s, {stage.emulator.admin('calls')}\n"
    )
    assert len(runs) == count
    wrong = [run.id for run in runs if (state_of(run).name == "Crashed") != (run.id in killed)]
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
    well = stage.deploy("hello", env=ENDLESS)
    killed = stage.deploy("killed", env={"EMULATOR_SIMULATE_SECONDS": "60", "EMULATOR_SIMULATE_EXIT_CODE": "137"})
    stage.emulator.admin("faults", faults)
    actors = [asyncio.create_task(containers.live())]
    actors += [asyncio.create_task(actor())] if actor else []
    try:
        containers.well |= await start(well, count - count // 10)
        victims = await start(killed, count // 10)
        async with patient_client() as client, asyncio.timeout(PATIENCE):
            while await count_open(client, stage):
                await asyncio.sleep(1)  # polled, with a deadline
                check(actors)
    except TimeoutError:
        left = [
            (run.id, run.state, run.infrastructure_pid) for run in await all_runs(stage) if not state_of(run).is_final()
        ]
        raise AssertionError(f"after {PATIENCE} s {len(left)} have not ended: {left[:5]}") from None
    finally:
        for task in actors:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*actors, return_exceptions=True)
    return victims, await all_runs(stage), containers
