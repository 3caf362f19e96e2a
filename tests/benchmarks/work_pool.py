"""A thousand flow runs in flight: the calls that watching them costs, beside one GET per run as the ACI worker makes.

The tasks are simulated, and end when all of them have been watched for a while; Prefect, the worker and the protocol to
the service are real. Missed when watching takes more than one list per job and poll, when a run does not end, or when
the worker takes more than 300 MB or half a core.
"""

import asyncio
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psutil
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import TERMINAL_STATES
from rich.console import Console
from rich.table import Table

from azure_batch_emulator.running_emulator import running_emulator
from tests.deployments.azure_batch.stage import Stage, create_pool, make_stage
from tests.servers.postgres import running_postgres
from tests.servers.prefect_on_postgres import prefect_on_postgres

POLL = 5.0  # seconds, the default of both workers
MOST_MEGABYTES, MOST_CORES = 300.0, 0.5
_PAGE = 1000  # tasks in one answer of the service
_PATIENCE = 1200
_FOREVER = 1_000_000  # seconds of the emulator's clock that a task takes
# prefect-azure 0.4.13, _watch_task_and_get_exit_code: one `container_groups.get` per run and poll, on a thread of the
# run's own; Prefect's pool of threads has 250.
_ACI_THREADS = 250


@dataclass(frozen=True)
class Size:
    """`seconds` of watching while all runs are in flight."""

    runs: int
    seconds: float


SIZE = Size(1000, 60)
TINY = Size(12, 12)


@dataclass(frozen=True)
class Figures:
    """Over so many seconds with all runs in flight; `ended` are the runs that had, when their tasks had."""

    runs: int
    seconds: float
    calls: dict[str, int]
    megabytes: float
    cores: float
    submitted: float  # runs per second
    ended: int

    @property
    def lists_per_poll(self) -> float:
        return self.calls.get("list_tasks", 0) / max(1.0, self.seconds / POLL)

    @property
    def met(self) -> bool:
        # One more poll may begin in the time than fits into it; a whole list has one page per thousand.
        allowed = (self.seconds / POLL + 1) * math.ceil(self.runs / _PAGE)
        return (
            self.calls.get("list_tasks", 0) <= allowed
            and self.megabytes <= MOST_MEGABYTES
            and self.cores <= MOST_CORES
            and self.ended == self.runs
        )


def take(size: Size, console: Console) -> bool:
    """Shows the figures. Whether the targets are met."""
    figures = measure(size)
    console.print(_table(figures))
    return figures.met


def measure(size: Size) -> Figures:
    """On a server, an emulator and a worker of their own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_postgres() as postgres,
        prefect_on_postgres(postgres, Path(folder)) as api,
        running_emulator(speed=10) as emulator,
    ):
        create_pool(emulator, nodes=math.ceil(size.runs / 32), slots=32, vm_size="standard_d8s_v5")
        stage = make_stage(api, emulator, env={"EMULATOR_SIMULATE_SECONDS": str(_FOREVER)})
        return _observe(stage, size)


def _observe(stage: Stage, size: Size) -> Figures:
    asyncio.run(_start(stage, stage.deploy("hello"), size.runs))
    begin = time.monotonic()
    with stage.worker(POLL_SECONDS=str(POLL), IDLE_POLL_SECONDS=str(POLL), REASON_SECONDS="30") as started:
        process = psutil.Process(started.pid)
        asyncio.run(_until_in_flight(stage, size.runs))
        submitted = size.runs / (time.monotonic() - begin)
        stage.emulator.admin("calls", method="DELETE")
        begin, before = time.monotonic(), _cpu(process)
        time.sleep(size.seconds)  # what is measured
        took = time.monotonic() - begin
        calls, cores = stage.emulator.admin("calls")["operations"], (_cpu(process) - before) / took
        memory = _memory(process)
        stage.emulator.advance(f"PT{_FOREVER}S")
        ended = asyncio.run(_until_ended(stage, size.runs))
        return Figures(size.runs, took, calls, memory, cores, submitted, ended)


async def _start(stage: Stage, deployment: UUID, count: int) -> None:
    gate = asyncio.Semaphore(8)

    async def one() -> None:
        async with gate:
            await client.create_flow_run_from_deployment(deployment)

    async with get_client() as client:
        await asyncio.gather(*(one() for _ in range(count)))


async def _until_in_flight(stage: Stage, count: int) -> None:
    pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[stage.work_pool]))
    async with get_client() as client, asyncio.timeout(_PATIENCE):
        submitted = 0
        while submitted < count:
            await asyncio.sleep(2)  # polled, with a deadline
            submitted = 0
            for begin in range(0, count, 200):
                page = await client.read_flow_runs(work_pool_filter=pool, limit=200, offset=begin)
                submitted += sum(bool(run.infrastructure_pid) for run in page)


async def _until_ended(stage: Stage, count: int) -> int:
    """How many have, at the latest when patience is at its end: each is crashed, for its task says nothing of it."""
    pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[stage.work_pool]))
    types = FlowRunFilterStateType(any_=list(TERMINAL_STATES))
    final = FlowRunFilter(state=FlowRunFilterState(type=types))
    deadline = time.monotonic() + _PATIENCE
    async with get_client() as client:
        while (ended := await client.count_flow_runs(work_pool_filter=pool, flow_run_filter=final)) < count:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(2)  # polled, with a deadline
    return ended


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu(process: psutil.Process) -> float:
    return float(sum(sum(member.cpu_times()[:2]) for member in _family(process)))


def _memory(process: psutil.Process) -> float:
    return float(max(member.memory_info().rss for member in _family(process)) / 2**20)


def _table(figures: Figures) -> Table:
    table = Table(title=f"{figures.runs:,} flow runs in flight, {figures.seconds:.0f} s", title_justify="left")
    for column in ("", "azure-batch", "ACI worker, from its source"):
        table.add_column(column, justify="left" if not column else "right")
    aci = figures.runs / POLL
    watching = figures.calls.get("list_tasks", 0) / figures.seconds
    total = sum(figures.calls.values()) / figures.seconds
    table.add_row("calls to watch, per second", f"{watching:.3f}", f"{aci:,.1f}")
    table.add_row("all calls, per second", f"{total:.3f}", f"{aci:,.1f}")
    table.add_row("calls per run and second", f"{total / figures.runs:.6f}", f"{aci / figures.runs:.6f}")
    table.add_row("lists per poll", f"{figures.lists_per_poll:.2f} (at most 1)", "-")
    table.add_row("threads that wait", "0", f"{figures.runs:,} wanted, {_ACI_THREADS} there are")
    table.add_row("memory of the worker, MB", f"{figures.megabytes:.0f} (at most {MOST_MEGABYTES:g})", "")
    table.add_row("cores of the worker", f"{figures.cores:.3f} (at most {MOST_CORES:g})", "")
    table.add_row("runs submitted, per second", f"{figures.submitted:.1f}", "")
    table.add_row("runs that ended, of all", f"{figures.ended:,} of {figures.runs:,}", "")
    table.add_row("", "met" if figures.met else "[bold red]missed[/]", "")
    return table
