"""Other processes for the tests, forked from one that has imported everything, so that they start at once."""

import multiprocessing
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

if sys.platform == "win32":  # where nothing forks
    _CONTEXT = multiprocessing.get_context("spawn")
else:
    _CONTEXT = multiprocessing.get_context("forkserver")
    _CONTEXT.set_forkserver_preload(["tests.tasks.warehouses.program"])


class Process:
    """Runs `work(say, wait, *arguments)`; killed at the end of the `with` if it is still there."""

    def __init__(self, work: Callable[..., None], *arguments: str) -> None:
        self._lines, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_run, args=(theirs, work, arguments))
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._lines.close()
        self._process.close()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def heard(self, *starts: str) -> str:
        """What it says until a line that starts so, that line; or its last one if it ends before."""
        line = ""
        try:
            while not line.startswith(starts):
                line = self._lines.recv()
        except (EOFError, ConnectionResetError):
            pass
        return line

    def is_silent(self, seconds: float) -> bool:
        return not self._lines.poll(seconds)

    def go_on(self) -> None:
        self._lines.send("go on")

    def kill(self, *, after: float = 0) -> None:
        """SIGKILL, so many seconds from now unless it has ended by then."""
        self._process.join(after)
        self._process.kill()
        self._process.join()


def _run(lines: "Connection[Any, Any]", work: Callable[..., None], arguments: tuple[str, ...]) -> None:
    work(lines.send, lines.recv, *arguments)
