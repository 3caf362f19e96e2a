"""The stack as its user starts it: `python -m deployments.local`, on free ports."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import httpx
import psutil

from deployments.local.services import Ports
from tests.deadline import until
from tests.servers.prefect_server import check_log, free_port

SECONDS_TO_START = 420


@dataclass
class Stack:
    process: subprocess.Popen[bytes]
    output: Path
    state: Path
    ports: Ports

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.ports.prefect}/api"

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def environment(self) -> dict[str, str]:
        """What the file that the greeting says to source sets."""
        command = ["/bin/bash", "-c", f". {shlex.quote(str(self.state / 'environment'))} && env -0"]
        told = subprocess.run(command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True)
        lines = dict(line.split("=", 1) for line in told.stdout.split("\0") if line)
        return {name: value for name, value in lines.items() if name.startswith(("PREFECT_", "ETL_")) or name == "PATH"}

    def run(self, *command: str) -> str:
        """What a command says, which is typed where that file was sourced, and ends well."""
        environment = {**os.environ, **self.environment()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def flow_runs(self, deployment: str) -> dict[str, str]:
        """The ids of those that somebody started, and the types of their states: a schedule may be due while a test
        runs."""
        flow, name = deployment.split("/")
        asked = {"deployments": {"name": {"any_": [name]}}, "flows": {"name": {"any_": [flow]}}}
        found = httpx.post(f"{self.api}/flow_runs/filter", json=asked, timeout=60).json()
        return {run["id"]: run["state_type"] for run in found if not run["auto_scheduled"]}

    def children(self) -> list[psutil.Process]:
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def stop(self, by: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(by)
        return self.process.wait(timeout=90)


def free_ports() -> Ports:
    return Ports(**{port.name: free_port() for port in fields(Ports)})


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@contextmanager
def begun(folder: Path, *options: str, ports: Ports | None = None, **environment: str) -> Iterator[Stack]:
    """Started, whether it runs yet or not; stopped at the end if it still runs."""
    ports = ports or free_ports()
    state, output = folder / "state", folder / "output.txt"
    named = [word for port in fields(Ports) for word in (f"--{port.name}-port", str(getattr(ports, port.name)))]
    command = [sys.executable, "-m", "deployments.local", "--state", str(state), *named, *options]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "ETL_"))}
    with output.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**clean, **environment})
    stack = Stack(process, output, state, ports)
    try:
        yield stack
    finally:
        if process.poll() is None:
            stack.stop()


@contextmanager
def running(folder: Path, *options: str, ports: Ports | None = None, **environment: str) -> Iterator[Stack]:
    """Started, and greeting. Raises AssertionError at the end if the Prefect server has logged an error."""
    with begun(folder, *options, ports=ports, **environment) as stack:
        until(lambda: "In another terminal" in stack.said() or stack.process.poll() is not None, SECONDS_TO_START)
        assert stack.process.poll() is None, stack.said()
        yield stack
    check_log(stack.state / "logs" / "prefect-server.log")
