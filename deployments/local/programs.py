"""Child processes of the stack: each is started once what it needs answers, watched, and stopped in reverse order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from deployments.local import sentinel
from deployments.local.errors_told import Log

_LINES = 15  # of its log, that tell of a child's end
if sys.platform == "win32":  # where no stack runs
    _KILL = signal.SIGTERM
else:
    _KILL = signal.SIGKILL


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
    user: str | None = None  # and group, where it is not the stack's own
    seconds_to_start: float = 180.0  # on a machine that is busy


class Programs:
    """A context manager: what was started is stopped when it ends, however it ends; a sentinel does it after a kill."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._running: dict[str, tuple[Program, subprocess.Popen[bytes]]] = {}
        self._errors: dict[str, Log] = {}

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-I", "-S", sentinel.__file__]
        self._sentinel = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)  # noqa: S603
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program, process in reversed(self._running.values()):
            _stop(program, process)
        self._sentinel.kill()
        self._sentinel.communicate()

    def start(self, program: Program) -> None:
        """Does not wait until it answers."""
        with self.log(program.name).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - the commands are this package's own
                [str(word) for word in program.command],
                env={**os.environ, **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the stack, which stops its children in order
                user=program.user,
                group=program.user,
                extra_groups=[] if program.user else None,
            )
        self._running[program.name] = (program, process)
        self._errors[program.name] = Log(self.log(program.name))
        if self._sentinel.stdin:
            self._sentinel.stdin.write(f"{process.pid} {program.stop.value}\n")
            self._sentinel.stdin.flush()

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

    def complaints(self) -> Iterator[str]:
        """What programs have logged as errors since this was asked before, each kind once, and where all of it is."""
        for name, log in self._errors.items():
            for complaint in log.news():
                yield f"{name}: {complaint}\n    More in {log.path}"

    @contextmanager
    def to_blame(self) -> Iterator[None]:
        """A child that has ended is the reason for whatever fails in here: raises StackError for that child."""
        try:
            yield
        except Exception:
            self.check()
            raise

    def log(self, name: str) -> Path:
        return self.logs / f"{name.lower().replace(' ', '-')}.log"

    def _told(self, name: str) -> str:
        lines = self.log(name).read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES:]
        return "".join(f"\n    {line}" for line in lines) + f"\nAll of it is in {self.log(name)}"


def _stop(program: Program, process: subprocess.Popen[bytes]) -> None:
    """The child first, who may have something to finish, then what is left of its session."""
    if process.poll() is None:
        process.send_signal(program.stop)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
    sentinel.end_group(process.pid, _KILL)
    process.wait()
