"""A PostgreSQL server for the stack, of the version that is installed."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from deployments.local.programs import Program, StackError

_USER = "etl"


def postgres(state: Path, port: int) -> Program:
    """Makes its folder on the first start. Raises StackError where PostgreSQL is not installed."""
    programs, folder = _programs(), state / "postgres"
    if not (folder / "data" / "PG_VERSION").exists():
        _create(programs, folder)
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "port": str(port)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Program(
        "PostgreSQL",
        [*_as_its_user(), programs / "postgres", "-D", folder / "data", *options],
        lambda: _is_ready(programs, port),
        stop=signal.SIGINT,  # a fast shutdown: who is connected is cut off
    )


def warehouse_url(port: int) -> str:
    return f"postgresql://{_USER}@127.0.0.1:{port}/postgres"


def _programs() -> Path:
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if not found:
        raise StackError(
            "PostgreSQL is not installed. Install it (on Debian: apt-get install postgresql), or leave out --postgres."
        )
    return found[-1]


def _create(programs: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # of a start that was cut short
    folder.mkdir(parents=True)
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        _check_passage(folder)
    # Without a password, which would have to be told to every task: whoever is on this machine may read its samples.
    options = ["-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
    command = [*_as_its_user(), programs / "initdb", "-D", folder / "data", *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd="/")  # noqa: S603
    if done.returncode:
        raise StackError(f"PostgreSQL could not make its folder:\n{(done.stderr or done.stdout).strip()[-1000:]}")


def _check_passage(folder: Path) -> None:
    """The server refuses to run as root, and its own user has to reach its folder."""
    for parent in folder.parents:
        mode = parent.stat().st_mode
        if not mode & 0o001 and parent.stat().st_uid == 0 and parent != Path("/"):
            raise StackError(
                f"PostgreSQL runs as the user postgres, who may not enter {parent}. Put the state elsewhere by "
                f"--state, or allow it: chmod o+x {parent}"
            )


def _as_its_user() -> list[str]:
    return (
        ["setpriv", "--pdeathsig=INT", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        if os.getuid() == 0
        else []
    )


def _is_ready(programs: Path, port: int) -> bool:
    question = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    return subprocess.run(question, check=False).returncode == 0  # noqa: S603
