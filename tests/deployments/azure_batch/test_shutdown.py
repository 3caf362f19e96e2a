"""The end of a worker: at SIGTERM, wherever it was started; what it has begun ends too, or is left."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from prefect_azure_batch.service.diagnosis import lower
from prefect_azure_batch.shutdown import cancelled
from tests.deadline import until
from tests.deployments.azure_batch.stage import FOREVER, PATIENCE, tasks_of
from tests.servers.ending import end


@contextmanager
def background() -> Iterator[None]:
    """What is started in here ignores SIGINT, as what a script starts with `&`."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def foreground() -> Iterator[None]:
    yield


@pytest.mark.parametrize("started", [foreground, background])
def test_a_worker_ends_at_sigterm_and_leaves_its_tasks(stage, started):
    deployment = stage.deploy("hello", env=FOREVER)
    run = stage.start(deployment)
    with started():
        worker = stage.start_worker("ending")
    try:
        until(lambda: [lower(task.state) for task in tasks_of(stage, run)] == ["running"], PATIENCE)
        assert end(worker, PATIENCE)
    finally:
        worker.kill()
        worker.wait()
    later = stage.start(deployment)
    assert worker.returncode == 0
    assert [lower(task.state) for task in tasks_of(stage, run)] == ["running"]
    assert not tasks_of(stage, later)
    assert stage.read(run).state.name not in {"Crashed", "Cancelled", "Failed"}


@pytest.mark.parametrize(("lost", "cancels"), [(0, 1), (3, 4)])
def test_a_task_that_loses_a_cancellation_is_cancelled_again(lost, cancels):
    assert asyncio.run(cancels_of(lost)) == cancels


def test_a_cancellation_that_gather_loses_is_repeated():
    """It raises what another of its tasks has raised just before, and who handles that goes on."""

    async def close() -> bool:
        went_on, never = asyncio.Event(), asyncio.Event()

        async def fail() -> None:
            raise ValueError

        async def cancel() -> None:
            task.cancel()
            await never.wait()

        async def work() -> None:
            with suppress(ValueError):
                await asyncio.gather(fail(), cancel())
            went_on.set()
            await never.wait()

        task = asyncio.create_task(work())
        await went_on.wait()
        await cancelled([task])
        return task.cancelled()

    assert asyncio.run(close())


def test_a_task_that_does_not_end_is_left_and_told(caplog):
    assert asyncio.run(cancels_of(1000)) == 10
    assert "Does not wait any longer" in caplog.text


async def cancels_of(lost: int) -> int:
    """How often a task that loses so many of them is cancelled."""
    count = 0

    async def lose() -> None:
        nonlocal count
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                count += 1
                if count > lost:
                    raise

    task = asyncio.create_task(lose())
    await asyncio.sleep(0)
    await cancelled([task], seconds=0.01)
    before, lost = count, 0
    task.cancel()
    await asyncio.wait([task])
    return before
