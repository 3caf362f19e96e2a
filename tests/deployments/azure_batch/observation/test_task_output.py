"""Of what a task prints nothing is lost on its way into the logs of its run; or it is said."""

import asyncio
import logging
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from azure.batch import models
from prefect.settings import PREFECT_LOGGING_TO_API_MAX_LOG_SIZE, temporary_settings

from azure_batch_emulator.running_emulator import Emulator, running_emulator
from prefect_azure_batch.observation import task_output
from prefect_azure_batch.observation.observed_task import ObservedTask
from prefect_azure_batch.observation.task_output import show_output
from prefect_azure_batch.service.client import open_service
from prefect_azure_batch.service.diagnosis import Diagnosis
from prefect_azure_batch.service.identifiers import Infrastructure
from prefect_azure_batch.service.retry import RetryPolicy
from tests.deadline import until
from tests.deployments.azure_batch.stage import PATIENCE, create_pool

# Two megabytes in lines, then one of more than a megabyte whose characters have two bytes, from an odd byte on.
PRINTS = """
import sys, time
from pathlib import Path
out = sys.stdout.buffer
for number in range(40):
    out.write(f"line {number} {'x' * 50_000}\\n".encode())
out.write(("|" + 600_000 * "\\u00e9" + "\\n").encode())
out.write(b"the end, without a line's end")
out.flush()
sys.stderr.write("to stderr")
sys.stderr.flush()
while len(sys.argv) > 1 and not Path(sys.argv[1]).exists():
    time.sleep(0.05)
sys.exit(3)
"""
PRINTED = [*(f"line {number} {'x' * 50_000}" for number in range(40)), "|" + 600_000 * "\u00e9"]
END = "the end, without a line's end"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with running_emulator(speed=20, executor="processes") as running:
        create_pool(running, nodes=0, spot=2)
        yield running


@pytest.fixture
def command(tmp_path: Path) -> str:
    script = tmp_path / "prints.py"
    script.write_text(PRINTS, encoding="utf-8")
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(script))}"


class Watched:
    """A task that prints and goes on until it may end, and the logs of what is shown of it."""

    def __init__(self, emulator: Emulator, command: str, end: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.emulator, self._end, self._caplog = emulator, end, caplog
        self._job = f"job-{uuid4().hex[:6]}"
        with emulator.client() as client:
            pool = models.BatchPoolInfo(pool_id="nodes")
            client.create_job(models.BatchJobCreateOptions(id=self._job, pool_info=pool))
            client.create_task(
                self._job, models.BatchTaskCreateOptions(id="task", command_line=f"{command} {shlex.quote(str(end))}")
            )
        until(self._has_printed, PATIENCE)
        infrastructure = Infrastructure("host", self._job, "task")
        with closing(asyncio.new_event_loop()) as loop:
            result: asyncio.Future[Diagnosis] = loop.create_future()
        self.observed = ObservedTask(
            infrastructure,
            uuid4(),
            "nodes",
            grace=1,
            stream=True,
            registered=0,
            result=result,
        )

    def end(self) -> None:
        self._end.touch()
        until(lambda: self.task().state == "completed", PATIENCE)

    def task(self) -> models.BatchTask:
        with self.emulator.client() as client:
            return client.get_task(self._job, "task")

    def show(self) -> list[str]:
        """What was logged by now, after one more look."""
        asyncio.run(self._show())
        return [record.getMessage() for record in self._caplog.records if record.name == "of-the-run"]

    async def _show(self) -> None:
        self.observed.look(self.task(), 0)
        policy = RetryPolicy(deadline=1, first=0.1)
        service = open_service(self.emulator.endpoint, self.emulator.credential(), policy)
        log = logging.getLogger("of-the-run")
        await show_output(service, self.observed, log)  # type: ignore[arg-type]
        await service.close()

    def _has_printed(self) -> bool:
        if self.task().state != "running":
            return False
        with self.emulator.client() as client:
            return int(client.get_task_file_properties(self._job, "task", "stderr.txt").content_length) > 0


@pytest.fixture
def watched(emulator: Emulator, command: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Watched]:
    caplog.set_level(logging.INFO)
    yield Watched(emulator, command, tmp_path / "may end", caplog)
    (tmp_path / "may end").touch()


def test_all_that_a_task_prints_arrives_in_its_order(watched: Watched) -> None:
    assert watched.show()[:40] == PRINTED[:40]
    for _ in range(3):
        logged = watched.show()
    assert END not in logged  # it may go on
    watched.end()
    logged = watched.show()
    assert "".join(logged) == "".join([*PRINTED, END, "to stderr"])
    assert watched.show() == logged


def test_what_is_printed_at_last_arrives_however_much_it_is(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_output, "_AT_ONCE", 100_000)
    before = watched.show()
    assert 0 < len(before) < 10  # others are served meanwhile
    watched.end()
    assert "".join(watched.show()) == "".join([*PRINTED, END, "to stderr"])


def test_no_part_of_a_long_line_is_longer_than_prefect_takes(watched: Watched) -> None:
    watched.end()
    with temporary_settings({PREFECT_LOGGING_TO_API_MAX_LOG_SIZE: 30_000}):
        logged = watched.show()
    assert "".join(logged) == "".join([*PRINTED, END, "to stderr"])
    assert max(len(part.encode()) for part in logged) < 30_000


def test_an_end_that_cannot_be_read_is_said_once_and_how_much_it_is(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_output, "_AT_ONCE", 100_000)
    shown = sum(len(line) + 1 for line in watched.show())
    watched.end()
    node = watched.task().node_info
    assert node
    watched.emulator.admin(f"nodes/nodes/{node.node_id}/preempt", method="POST")
    (said,) = [line for line in watched.show() if "could not be read" in line]
    size = sum(len(line.encode()) + 1 for line in PRINTED) + len(END)
    assert f"stdout.txt (409), {size - shown} bytes or more" in said
    assert "stderr.txt (409), 9 bytes or more" in said
    assert sum("could not be read" in line for line in watched.show()) == 1


def test_a_service_that_is_busy_loses_nothing_of_the_end(watched: Watched) -> None:
    watched.end()
    for operation in ("download_task_file", "_get_task_file_properties_internal"):
        watched.emulator.inject("busy", operation=operation, times=2)
    assert "".join(watched.show()) == "".join([*PRINTED, END, "to stderr"])
