"""A command as processes of this machine, and the end of everything that it started."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

GRACE = 5.0  # real seconds between TERM and KILL
_LOOK = 0.05
_PATIENCE = 10.0  # for the kernel to end what was killed
_PROC = Path("/proc")


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
    below = f"AZ_BATCH_NODE_ROOT_DIR={root}{os.sep}".encode()
    ended: set[int] = set()
    deadline = time.monotonic() + _PATIENCE
    # Until they are gone, those forked meanwhile too: the dead have no environment.
    while (found := _with_entry(below)) and time.monotonic() < deadline:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended.update(found)
        time.sleep(_LOOK)
    return len(ended)


def _with_entry(beginning: bytes) -> list[int]:
    return [pid for pid in _others() if any(entry.startswith(beginning) for entry in _environ(pid))]


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
        self._mark = f"AZ_BATCH_TASK_DIR={directory}".encode()

    async def end(self, grace: float) -> None:
        if grace > 0:
            self._signal(signal.SIGTERM)
            await self._gone(grace)
        deadline = _now() + _PATIENCE
        # One that was being forked while the others were killed is found the next time.
        while self._alive() and _now() < deadline:
            self._signal(signal.SIGKILL)
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
        return [*first, *(pid for pid in _others() if pid != own.pid and self._belongs(pid))]

    def _belongs(self, pid: int) -> bool:
        try:
            # After the name in brackets: state, parent, group, session. https://man7.org/linux/man-pages/man5/proc.5.html
            state, _, group, session = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[:4]
            if state in {"Z", "X"}:
                return False
            if str(self._process.pid) in {group, session}:
                return True
        except OSError:  # gone since
            return False
        return self._mark in _environ(pid)


def _environ(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # gone since, or another user's
        return []


def _others() -> list[int]:
    """All processes but this one. Without /proc there is no knowing of those that a task's process leaves behind."""
    if not _PROC.exists():
        return []
    numbers = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    return [number for number in numbers if number != os.getpid()]


def _now() -> float:
    return asyncio.get_running_loop().time()
