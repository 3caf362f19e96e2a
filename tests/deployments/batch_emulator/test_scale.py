"""Ten thousand tasks in one job, over HTTP: fast lists, little memory, and all of them run."""

import time
from collections.abc import Iterator

import psutil
import pytest
from azure.batch import BatchClient, models

from azure_batch_emulator.running_emulator import Emulator, running_emulator
from tests.deployments.batch_emulator.resources import await_true, make_job, make_pool

TASKS, PAGE = 10_000, 1000
COMMAND = "simulate --seconds 60"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Ten thousand tasks in line, and no node yet."""
    with running_emulator(speed=0, executor="simulated", dedicated_cores=2000) as emulator:
        with emulator.client() as client:
            make_job(client)
            for first in range(0, TASKS, 100):
                _add(client, range(first, first + 100))
        yield emulator


def test_a_page_of_a_filtered_list_takes_less_than_200_ms(emulator: Emulator) -> None:
    with emulator.client() as client:
        pages = client.list_tasks("j1", filter="state eq 'active'", max_results=PAGE).by_page()
        taken, seen = [], 0
        for _ in range(TASKS // PAGE):
            begun = _work(emulator)
            seen += len(list(next(pages)))
            taken.append(_work(emulator) - begun)
    assert seen == TASKS
    assert max(taken) < 0.2, taken


def test_few_are_found_among_many(emulator: Emulator) -> None:
    with emulator.client() as client:
        begun = _work(emulator)
        found = list(client.list_tasks("j1", filter="startswith(id,'task-99')"))
        assert len(found) == 111
        assert _work(emulator) - begun < 0.2


def test_all_of_them_run(emulator: Emulator) -> None:
    with emulator.client() as client:
        make_pool(client, nodes=100, slots=8)
        begun = time.monotonic()
        emulator.advance("PT30M")
        counts = await_true(lambda: client.get_job_task_counts("j1")).task_counts
        assert (counts.succeeded, counts.active) == (TASKS, 0)
        assert time.monotonic() - begun < 120
    assert psutil.Process(emulator.process.pid).memory_info().rss < 300 * 1024**2


def _add(client: BatchClient, numbers: range) -> None:
    tasks = [models.BatchTaskCreateOptions(id=f"task-{number}", command_line=COMMAND) for number in numbers]
    results = client.create_task_collection("j1", models.BatchTaskGroup(task_values=tasks))
    assert {result.status for result in results.result_values or []} == {"Success"}


def _work(emulator: Emulator) -> float:
    """Seconds of work of the emulator so far: what a page takes on a machine that does nothing else."""
    times = psutil.Process(emulator.process.pid).cpu_times()
    return float(times.user + times.system)
