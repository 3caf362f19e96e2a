"""PostgreSQL for tests: a server of their own on a free port of the loopback, with its data in a temporary folder.

`postgres` is a fixture: a `conftest.py` imports it. It is one per session; a test takes a database of its own.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from deployments.local.postgres import find_programs
from deployments.local.programs import StackError

USER = "etl"
PATIENCE = 60  # seconds for the server to start, on a busy machine
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "8GB",
    "shared_buffers": "256MB",
}


@dataclass(frozen=True)
class Postgres:
    port: int
    password: str
    programs: Path  # the folder of psql
    process: int

    def url(self, database: str, port: int | None = None) -> str:
        """`port` is that of a proxy in front of the server."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{port or self.port}/{database}"

    def database(self) -> str:
        """The name of a new database, empty."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def drop(self, database: str) -> None:
        """With whoever is still connected."""
        self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))

    def execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Fails where it cannot run: a warehouse that no server answered has not been tested."""
    with running_postgres() as server:
        yield server


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Started on an empty folder, and stopped at the end."""
    programs = _programs()
    password = secrets.token_hex(12)
    # Not pytest's folder, which no other user may enter: the server refuses to run as root.
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "password").write_text(password)
        if _is_root():
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres", "postgres")
        options = ["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        _run([programs / "initdb", "-D", folder / "data", "--pwfile", folder / "password", *options])
        yield from _served(programs, folder, password)


def _served(programs: Path, folder: Path, password: str) -> Iterator[Postgres]:
    port = _free_port()
    settings = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
    log = folder / "log"
    with log.open("wb") as output:
        command = _as_postgres([programs / "postgres", "-D", folder / "data", "-p", str(port), *settings])
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
        try:
            _wait(programs, port, process, log)
            yield Postgres(port, password, programs, process.pid)
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown: who is connected is cut off
            process.wait(PATIENCE)


def _programs() -> Path:
    try:
        return find_programs()
    except StackError as error:
        pytest.fail(str(error), pytrace=False)


def _run(command: Sequence[str | Path]) -> None:
    result = subprocess.run(_as_postgres(command), capture_output=True, text=True, check=False, cwd="/")
    assert result.returncode == 0, f"{command[0]} ended with {result.returncode}:\n{result.stdout}{result.stderr}"


def _as_postgres(command: Sequence[str | Path]) -> list[str]:
    # The server goes when this process does, however that ends; where there is no setpriv, when that ends well.
    user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if _is_root() else []
    before = ["setpriv", "--pdeathsig=INT", *user] if user or shutil.which("setpriv") else []
    return [*before, *map(str, command)]


def _is_root() -> bool:
    return sys.platform != "win32" and os.getuid() == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(programs: Path, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    question = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(question, check=False).returncode:
        assert process.poll() is None, f"PostgreSQL ended:\n{log.read_text(errors='replace')}"
        assert time.monotonic() < deadline, f"PostgreSQL did not start in {PATIENCE} s:\n{log.read_text()}"
        time.sleep(0.05)
