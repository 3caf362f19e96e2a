"""Users who cancel, delete, force and retry runs by the hundred, while two workers with a limit stay and others run
once: no slot is lost, no worker ends, no run goes on without an end, and no task stays behind."""

import asyncio
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelling, Failed

from tests.deployments.azure_batch.stage import Stage, is_final, until
from tests.reliability.containers import Containers
from tests.reliability.runs import ENDLESS, PATIENCE, SEED, SETTINGS, all_runs, check, count_open, start, state_of
from tests.servers.patient import patient_client

LIMIT = 4
_PREFETCH = ("--prefetch-seconds", "5")
_CHANGED = 100  # the youngest runs, of which users change their minds


@dataclass
class Story:
    """`ran_once`: how many workers did. `last`: seconds until all slots were taken at once, and free again."""

    runs: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    ran_once: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    tasks: int = 0
    last: float = 0.0


def live_through(stage: Stage, goes_on: Callable[[Story], bool], at_once: int) -> Story:
    """Users go on as long as `goes_on` says, and keep so many runs open. Raises AssertionError, or TimeoutError, when a
    slot, a worker, a run or a task is lost."""
    with (
        stage.worker(limit=LIMIT, options=_PREFETCH, **SETTINGS) as one,
        stage.worker(limit=LIMIT, options=_PREFETCH, **SETTINGS) as two,
    ):
        story = asyncio.run(_live_through(stage, goes_on, at_once))
        assert (one.poll(), two.poll()) == (None, None), "a worker has ended"
    return story


async def _live_through(stage: Stage, goes_on: Callable[[Story], bool], at_once: int) -> Story:
    containers, story, chance = Containers(stage.emulator), Story(), random.Random(SEED)
    deployment = stage.deploy("hello", cancel_grace=2, env=ENDLESS)
    actors = [asyncio.create_task(containers.live()), asyncio.create_task(_run_once(stage, story, goes_on))]
    runs: list[UUID] = []
    try:
        async with patient_client() as client:
            while goes_on(story):
                check(actors[:1])
                if story.changes.total() % 10 == 0:
                    new = await start(deployment, max(0, at_once - await count_open(client, stage)))
                    containers.well |= new
                    runs, story.runs = [*runs, *sorted(new)][-_CHANGED:], story.runs + len(new)
                story.changes[await _change(client, chance, chance.choice(runs))] += 1
                await asyncio.sleep(chance.uniform(0, 0.5))  # at any moment of their lives
            await actors[1]
            async with asyncio.timeout(PATIENCE):
                await _until_all_have_ended(client, stage, actors)
                begin = time.monotonic()
                await _take_all_slots(client, stage, deployment, containers)
                await _until_all_have_ended(client, stage, actors)
            story.last, story.tasks = time.monotonic() - begin, containers.tasks.total()
        story.ends = Counter(f"{state_of(run).name}" for run in await all_runs(stage))
        return story
    finally:
        for actor in actors:
            actor.cancel()
        await asyncio.gather(*actors, return_exceptions=True)


async def _change(client: PrefectClient, chance: random.Random, run: UUID) -> str:
    with suppress(ObjectNotFound):
        state = state_of(await client.read_flow_run(run))
        if state.is_final():
            await client.set_flow_run_state(run, AwaitingRetry(), force=True)
            return "retried"
        if (wish := chance.random()) < 0.5:
            await client.set_flow_run_state(run, Cancelling())
            return "cancelled"
        if wish < 0.9:
            await client.set_flow_run_state(run, Failed(message="by hand"), force=True)
            return "failed by hand"
        await client.delete_flow_run(run)
        return "deleted"
    return "gone already"


async def _run_once(stage: Stage, story: Story, goes_on: Callable[[Story], bool]) -> None:
    """One worker after the other: each ends when its runs have ended, whatever became of them."""
    while goes_on(story):
        worker = stage.start_worker(f"once-{story.ran_once}", LIMIT, ("--run-once",), **SETTINGS)
        try:
            assert await asyncio.to_thread(_ended, worker) == 0, "a worker that runs once has not ended well"
        finally:
            worker.kill()
            worker.wait(10)
        story.ran_once += 1


def _ended(worker: "subprocess.Popen[bytes]") -> int:
    return worker.wait(PATIENCE)


async def _take_all_slots(client: PrefectClient, stage: Stage, deployment: UUID, containers: Containers) -> None:
    """As many runs as there are slots are executed at once, and end well only then."""
    last = await start(deployment, 2 * LIMIT)
    await until(lambda: len(_living_tasks(stage)) == len(last), PATIENCE)
    containers.well |= last
    await until(is_final(stage, *last), PATIENCE)
    ends = [state_of(await client.read_flow_run(run)).name for run in last]
    assert ends == ["Completed"] * len(last)


async def _until_all_have_ended(client: PrefectClient, stage: Stage, actors: "list[asyncio.Task[None]]") -> None:
    while await count_open(client, stage) or _living_tasks(stage):
        check(actors)
        await asyncio.sleep(1)  # polled, with a deadline


def _living_tasks(stage: Stage) -> list[str]:
    jobs = stage.emulator.admin("state?tasks=10000")["jobs"]
    return [task["id"] for job in jobs for task in job["tasks"] if task["state"] != "completed"]
