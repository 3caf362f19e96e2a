"""Tasks that only take time: thousands of them, with seeded durations and no process.

A command line may say what happens: `simulate --seconds 30 --exit-code 1 --stderr "out of memory"`, alone or after any
shell (`/bin/sh -c "simulate --seconds 30"`). The environment settings EMULATOR_SIMULATE_SECONDS and
EMULATOR_SIMULATE_EXIT_CODE do for any other command line. What neither says is drawn from the seed and the task's id.
"""

import argparse
import asyncio
import hashlib
import random
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from azure_batch_emulator.control.clock import Clock
from azure_batch_emulator.execution.executor import JsonObject, Launch, Outcome, user_error

SHORTEST, MEAN, LONGEST = 2.0, 30.0, 600.0  # seconds of a task that does not say: exponential between the bounds


@dataclass
class Scenario:
    """What is simulated: `prepare_seconds` before it runs, `seconds` of running, then how it ends."""

    seconds: float | None = None
    prepare_seconds: float = 0.0
    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""


class SimulatedExecutor:
    """Same seed and same ids: same durations, whatever the order in which tasks are run."""

    name = "simulated"

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        self._clock = clock
        self._seed = seed
        self._running: dict[tuple[str, str], asyncio.Future[None]] = {}

    def end(self, job_id: str, task_id: str) -> bool:
        """Now, as it would have ended later. Whether the task was running."""
        over = self._running.get((job_id, task_id))
        if over is not None:
            _settle(over)
        return over is not None

    async def run(self, launch: Launch, running: Callable[[], None]) -> Outcome:
        try:
            scenario = _asked(launch.command_line, launch.environment)
        except ValueError as error:
            return Outcome(None, user_error("CommandLaunchFailed", f"The simulation could not be read: {error}"))
        await self._clock.sleep(scenario.prepare_seconds)
        _write(launch.directory, scenario)
        running()
        await self._until_over(launch, self._duration(launch) if scenario.seconds is None else scenario.seconds)
        return Outcome(scenario.exit_code, container_info=_container(launch, scenario))

    async def _until_over(self, launch: Launch, seconds: float) -> None:
        """Waits until the time is over, or the task is told to end."""
        key, over = (launch.job_id, launch.task_id), asyncio.get_running_loop().create_future()
        timer = self._clock.call_later(seconds, lambda: _settle(over))
        if launch.kind == "task":
            self._running[key] = over
        try:
            await over
        finally:
            timer.cancel()
            if self._running.get(key) is over:
                del self._running[key]

    def _duration(self, launch: Launch) -> float:
        key = f"{self._seed}/{launch.kind}/{launch.job_id}/{launch.task_id}"
        drawn = random.Random(hashlib.sha256(key.encode()).digest()).expovariate(1 / MEAN)  # noqa: S311 - a simulation
        return min(max(drawn, SHORTEST), LONGEST)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="simulate", add_help=False)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--prepare-seconds", type=float)
    parser.add_argument("--exit-code", type=int)
    parser.add_argument("--stdout")
    parser.add_argument("--stderr")
    return parser


_PARSER = _parser()


def _asked(command_line: str, environment: Mapping[str, str]) -> Scenario:
    if "simulate" in command_line and (words := _words(command_line)) is not None:
        return _PARSER.parse_args(words, Scenario())
    words = []
    for option, name in (("--seconds", "SECONDS"), ("--exit-code", "EXIT_CODE")):
        if value := environment.get(f"EMULATOR_SIMULATE_{name}"):
            words += [option, value]
    return _PARSER.parse_args(words, Scenario())


def _words(command_line: str) -> list[str] | None:
    """What follows `simulate`, also inside the quotes of a shell's `-c`; None where it is not a command."""
    words = shlex.split(command_line)
    if words and Path(words[0]).name in {"sh", "bash"} and "-c" in words[:-1]:
        words = shlex.split(words[words.index("-c") + 1])
    return words[1:] if words and words[0] == "simulate" else None


def _settle(over: "asyncio.Future[None]") -> None:
    if not over.done():
        over.set_result(None)


def _write(directory: Path, scenario: Scenario) -> None:
    if not scenario.stdout and not scenario.stderr:
        return  # the files of thousands of tasks would take longer than their simulation
    (directory / "wd").mkdir(parents=True, exist_ok=True)
    for name, text in (("stdout.txt", scenario.stdout), ("stderr.txt", scenario.stderr)):
        (directory / name).write_text(f"{text}\n" if text else "", encoding="utf-8", newline="\n")


def _container(launch: Launch, scenario: Scenario) -> JsonObject | None:
    if launch.container_settings is None:
        return None
    name = hashlib.sha256(f"{launch.job_id}/{launch.task_id}/{launch.node_id}".encode()).hexdigest()
    return {"containerId": name, "state": "exited", "error": "" if scenario.exit_code == 0 else "Non-zero exit code"}
