"""A real Prefect server for the tests: one per session, on a free port, with a database of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.local.errors_told import complaints
from tests.servers.ending import end

_SECONDS_TO_START = 180  # on a machine that is busy


@contextmanager
def prefect_server(home: Path, **settings: object) -> Iterator[str]:
    """Starts a server that keeps everything below `home`; `settings` are of its environment, without `PREFECT_SERVER_`.
    Yields the URL of its API."""
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
        **{f"PREFECT_SERVER_{name.upper()}": str(value) for name, value in settings.items()},
    }
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _await_health(f"http://127.0.0.1:{port}/api", server, home / "server.log")
        yield f"http://127.0.0.1:{port}/api"
    finally:
        end(server, 60)


@contextmanager
def used_here(url: str) -> Iterator[None]:
    """Flows in this process use the server at this URL, and no other one gets their logs and events."""
    _drain()  # else the service that sends them goes on sending to the server before
    with temporary_settings({PREFECT_API_URL: url}):
        yield
        _drain()  # else they are sent when the process ends, to a server that is gone


def _drain() -> None:
    APILogWorker.drain_all()
    EventsWorker.drain_all()


def check_log(log: Path) -> None:
    """Raises AssertionError with what a server has logged as an error, or as a traceback."""
    found = list(complaints(log.read_text(encoding="utf-8", errors="replace").splitlines()))
    assert not found, f"{log} has {len(found)} errors, of which the first are:\n" + "\n".join(map(str, found[:5]))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _await_health(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)  # polled, with a deadline
    raise RuntimeError(f"The Prefect server did not start:\n{log.read_text()}")
