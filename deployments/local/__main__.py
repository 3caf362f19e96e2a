"""`python -m deployments.local`: the whole of production on this machine, until Ctrl-C."""

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout
from rich.console import Console

from deployments.local import services
from deployments.local.address import address_of, greeting
from deployments.local.postgres import postgres
from deployments.local.programs import Program, Programs, StackError
from deployments.local.services import WORK_POOL, Ports

_LOGS = "logs"
_MARK = "stack-of-the-local-production"  # a file in the state folder: only what has it is ever removed


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until Ctrl-C or SIGTERM, which is 0; 1 when something keeps it from running, with the reason."""
    options = _parser().parse_args(arguments)
    if sys.platform == "win32":
        sys.stderr.write(
            "The local production needs processes that Windows does not have. Start it in WSL (`wsl --install` brings "
            "it), where it is as on Linux; flows run on Windows without it.\n"
        )
        return 1
    console = Console(highlight=False, soft_wrap=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell that starts it in the background ignores the first
        signal.signal(number, _interrupt)
    try:
        with _own(options.state.resolve()) as state, Programs(state / _LOGS) as programs:
            _run(options, state, programs, console)
    except KeyboardInterrupt:
        console.print("\nStopped. What was stored is kept; --fresh forgets it.")
        return 0
    except (StackError, OSError) as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    return 0


def _run(options: argparse.Namespace, state: Path, programs: Programs, console: Console) -> None:
    begun = time.monotonic()
    ports = Ports(**{port.name: getattr(options, f"{port.name}_port") for port in fields(Ports)})
    ports.check(unused=frozenset() if options.postgres else frozenset({"postgres"}))
    if options.fresh:
        _forget(state)
    wanted = _wanted(options, state, ports)
    for program in wanted:
        programs.start(program)
    # Imports Prefect and the SDKs of Azure: seconds, in which the programs start.
    from deployments.local.provision import deploy, provision  # noqa: PLC0415

    for program in wanted:
        console.print(f"{program.name} ... ", end="")
        programs.await_answer(program)
        console.print("runs")
    address = address_of(state, ports, postgres=options.postgres, image=options.image)
    console.print("Work pool and deployments ... ", end="")
    with programs.to_blame():
        provision(address)
        programs.start(services.worker(address.prefect, WORK_POOL))
        kept = deploy(address, state)
    console.print(f"are there, {time.monotonic() - begun:.0f} s after the start")
    if kept:
        console.print(f"{kept} deployments have parameters or schedules that were set in the UI: they are kept.")
    console.print(greeting(address, state, programs.logs))
    while True:
        programs.check()
        for complaint in programs.complaints():
            console.print(complaint, markup=False, style="red")
        time.sleep(0.5)


def _wanted(options: argparse.Namespace, state: Path, ports: Ports) -> list[Program]:
    """None of them needs another one to start."""
    wanted = [
        services.azurite(state, ports.azurite),
        services.prefect_server(state, ports.prefect),
        services.batch_emulator(state, ports.batch, options.image),
        services.sample_market(ports.market),
    ]
    return [*wanted, postgres(state, ports.postgres)] if options.postgres else wanted


@contextmanager
def _own(state: Path) -> Iterator[Path]:
    """The state folder, for one stack at a time. Raises StackError for another's folder."""
    if state.exists() and any(state.iterdir()) and not (state / _MARK).exists():
        raise StackError(f"{state} has something in it that is not a stack's. Name another folder by --state.")
    state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(state / _MARK, blocking=False, fallback_to_soft=False, preserve_lock_file=True)
    try:
        lock.acquire()
    except Timeout:
        raise StackError(
            f"A stack is running in {state} already. Stop it, or name another folder by --state."
        ) from None
    try:
        yield state
    finally:
        lock.release()


def _forget(state: Path) -> None:
    for path in state.iterdir():
        if path.name not in (_MARK, _LOGS):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deployments.local",
        description="Prefect server, Azurite, an emulator of Azure Batch, a sample market, a warehouse and a worker.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--state", type=Path, default=Path(".etl/local"), metavar="DIR", help="where all of it is kept")
    parser.add_argument("--fresh", action="store_true", help="forget what was kept")
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL as the warehouse, else SQLite")
    parser.add_argument("--image", help="a container image that tasks run in, else as processes")
    for port in fields(Ports):
        parser.add_argument(f"--{port.name}-port", type=int, default=port.default, metavar="PORT", help="to listen on")
    return parser


if __name__ == "__main__":
    sys.exit(main())
