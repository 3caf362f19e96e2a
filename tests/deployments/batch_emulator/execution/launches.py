"""Launches for tests of the executors, and what is asked of every one of them."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure_batch_emulator.execution.environment import AccountFacts
from azure_batch_emulator.execution.executor import Executor, Launch, Outcome

ACCOUNT = AccountFacts("etlbatch", "http://127.0.0.1:9999")
PATIENCE = 30


def launch_in(root: Path, command_line: str, **more: Any) -> Launch:
    """The launch of task `t1` of job `j1` on a dedicated node of pool `p1`."""
    given: dict[str, Any] = {
        "kind": "task",
        "pool_id": "p1",
        "node_id": "tvmps_0123_d",
        "job_id": "j1",
        "task_id": "t1",
        "command_line": command_line,
        "directory": root / "workitems" / "j1" / "job-1" / "t1",
        "environment": {},
        "node_root": root,
    }
    root.mkdir(exist_ok=True)
    return Launch(**(given | more))


def run(executor: Executor, launch: Launch) -> Outcome:
    """To its end, in a loop of its own."""
    return asyncio.run(asyncio.wait_for(executor.run(launch, lambda: None), PATIENCE))


def stdout(launch: Launch) -> str:
    return (launch.directory / "stdout.txt").read_text()


def stderr(launch: Launch) -> str:
    return (launch.directory / "stderr.txt").read_text()


async def until(condition: Callable[[], object]) -> None:
    """Looks until it is true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.01)


async def cancel_when(executor: Executor, launch: Launch, condition: Callable[[], object]) -> None:
    """Runs it, and cancels it as soon as the condition holds; the executor must not swallow that."""
    running = asyncio.ensure_future(executor.run(launch, lambda: None))
    await until(lambda: running.done() or condition())
    assert not running.done(), running.result()
    running.cancel()
    await asyncio.wait([running], timeout=PATIENCE)
    assert running.cancelled()


def alive(pid: int) -> bool:
    """Whether it runs: the dead that nobody has buried yet do not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False
