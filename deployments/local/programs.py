"""Child processes of the stack: each is started once what it needs answers, watched, and stopped in reverse order."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_LINES = 15  # of its log, that tell of a child's end
_PR_SET_PDEATHSIG = 1


class StackError(Exception):
    """What keeps the stack from running, and what to do."""


@dataclass(frozen=True)
class Program:
    """`is_ready` asks whether it answers; None for one that nothing waits for."""

    name: str
    command: Sequence[str | Path]
    is_ready: Callable[[], bool] | None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop: signal.Signals = signal.SIGTERM
    seconds_to_start: float = 180.0  # on a machine that is busy


class Programs:
    """A context manager: what was started is stopped when it ends, however it ends."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._running: dict[str, tuple[Program, subprocess.Popen[bytes]]] = {}

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program, process in reversed(self._running.values()):
            _stop(program, process)

    def start(self, program: Program) -> None:
        """Does not wait until it answers. For the main thread: a child ends with the thread that has begun it."""
        with self.log(program.name).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - the commands are this package's own
                [str(word) for word in program.command],
                env={**os.environ, **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the stack, which stops its children in order
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - a system call, which needs no lock of any thread
            )
        self._running[program.name] = (program, process)

    def await_answer(self, program: Program) -> None:
        """Raises StackError, with the end of the log, for a program that has ended, or does not answer in time."""
        deadline = time.monotonic() + program.seconds_to_start
        while program.is_ready and not program.is_ready():
            self.check()
            if time.monotonic() > deadline:
                patience = f"{program.seconds_to_start:.0f} s"
                raise StackError(f"{program.name} did not answer within {patience}.{self._told(program.name)}")
            time.sleep(0.1)

    def check(self) -> None:
        """Raises StackError for a child that has ended."""
        for program, process in self._running.values():
            if (code := process.poll()) is not None:
                raise StackError(f"{program.name} has ended with {code}.{self._told(program.name)}")

    @contextmanager
    def to_blame(self) -> Iterator[None]:
        """Of what fails in here, a child that has ended is the reason: raises StackError for that."""
        try:
            yield
        except Exception:
            self.check()
            raise

    def log(self, name: str) -> Path:
        return self.logs / f"{name.lower().replace(' ', '-')}.log"

    def _told(self, name: str) -> str:
        lines = self.log(name).read_text(errors="replace").splitlines()[-_LINES:]
        return "".join(f"\n    {line}" for line in lines) + f"\nAll of it is in {self.log(name)}"


def _stop(program: Program, process: subprocess.Popen[bytes]) -> None:
    """The child first, who may have something to finish, then what is left of its session."""
    if process.poll() is None:
        process.send_signal(program.stop)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _end_with_parent() -> None:
    """Also when the stack is killed, nothing stays behind (Linux, prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
