"""A command as processes of this machine, and the end of everything that it started."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from azure_batch_emulator.execution.process_table import others

GRACE = 5.0  # real seconds between TERM and KILL
_LOOK = 0.05
_PATIENCE = 10.0  # for the kernel to end what was killed
if sys.platform == "win32":  # where no task runs as a process
    _KILL = signal.SIGTERM
else:
    _KILL = signal.SIGKILL


@dataclass(frozen=True)
class Command:
    """`directory` is the task's own. `environment` has it as AZ_BATCH_TASK_DIR, by which its processes are known.

    `output` is the folder of stdout.txt and stderr.txt, the task's directory unless given.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    output: Path | None = None


async def run_process(command: Command, running: Callable[[], None], grace: float = GRACE) -> int:
    """Its exit code, 128 and the signal's number where one ended it; output goes to stdout.txt and stderr.txt.

    Whatever it left behind is killed, daemons too. Cancelled, it sends TERM to all of it, and KILL after the grace. An
    OSError says that there was nothing to start.
    """
    process = await _start(command)
    started = _Started(process, command.directory)
    try:
        running()
        code = await process.wait()
    except BaseException:
        await asyncio.shield(started.end(grace))
        raise
    await started.end(0)
    return code if code >= 0 else 128 - code


def end_leftovers(root: Path) -> int:
    """Kills the processes of tasks on nodes below this folder, waits for their end, and tells how many there were.

    For an emulator that begins with the state of one that was killed itself, and could not end them.
    """
    below = f"AZ_BATCH_NODE_ROOT_DIR={root}{os.sep}"
    ended: set[int] = set()
    deadline = time.monotonic() + _PATIENCE
    # Until they are gone, those forked meanwhile too: the dead have no environment.
    while (found := [p.pid for p in others() if p.has(below, whole=False)]) and time.monotonic() < deadline:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, _KILL)
        ended.update(found)
        time.sleep(_LOOK)
    return len(ended)


async def _start(command: Command) -> asyncio.subprocess.Process:
    folder = command.output or command.directory
    with ExitStack() as files:
        output, errors = (files.enter_context((folder / name).open("wb")) for name in ("stdout.txt", "stderr.txt"))
        return await asyncio.create_subprocess_exec(
            *command.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            cwd=command.directory / "wd",
            env=dict(command.environment),
            start_new_session=True,
        )


class _Started:
    """A process, its group, and what left the group for a session of its own but kept the environment."""

    def __init__(self, process: asyncio.subprocess.Process, directory: Path) -> None:
        self._process = process
        self._mark = f"AZ_BATCH_TASK_DIR={directory}"

    async def end(self, grace: float) -> None:
        if grace > 0:
            self._signal(signal.SIGTERM)
            await self._gone(grace)
        deadline = _now() + _PATIENCE
        # One that was being forked while the others were killed is found the next time.
        while self._alive() and _now() < deadline:
            self._signal(_KILL)
            await self._gone(_LOOK)
        await self._process.wait()

    async def _gone(self, patience: float) -> None:
        deadline = _now() + patience
        while self._alive() and _now() < deadline:  # noqa: ASYNC110 - the kernel tells nobody of another's grandchildren
            await asyncio.sleep(_LOOK)

    def _signal(self, sent: signal.Signals) -> None:
        for pid in self._alive():
            with suppress(ProcessLookupError):
                os.kill(pid, sent)

    def _alive(self) -> list[int]:
        own = self._process
        first = [own.pid] if own.returncode is None else []
        return [*first, *(p.pid for p in others() if p.pid != own.pid and (own.pid in p.groups or p.has(self._mark)))]


def _now() -> float:
    return asyncio.get_running_loop().time()
