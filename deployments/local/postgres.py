"""A PostgreSQL server for the stack, of the version that is installed."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deployments.local.programs import Program, StackError

_USER = "etl"
_SYSTEM_USER = "postgres"  # who the server is where root starts the stack
_PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian's, each version apart
    "/opt/homebrew/opt/postgresql@*/bin",  # Homebrew's, on Apple silicon
    "/usr/local/opt/postgresql@*/bin",  # and on Intel
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


def postgres(state: Path, port: int) -> Program:
    """Makes its folder on the first start. Raises StackError where PostgreSQL is not installed."""
    programs, folder = find_programs(), state / "postgres"
    if not (folder / "data" / "PG_VERSION").exists():
        _create(programs, folder)
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "port": str(port)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Program(
        "PostgreSQL",
        [programs / "postgres", "-D", folder / "data", *options],
        lambda: _is_ready(programs, port),
        stop=signal.SIGINT,  # a fast shutdown: who is connected is cut off
        user=_SYSTEM_USER if _is_root() else None,
    )


def warehouse_url(port: int) -> str:
    return f"postgresql://{_USER}@127.0.0.1:{port}/postgres"


def find_programs() -> Path:
    """The folder of the newest PostgreSQL here, or that on PATH first. Raises StackError where there is none."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else []
    found += sorted((folder for place in _PLACES for folder in Path("/").glob(place[1:])), key=_version)
    if not found:
        raise StackError(
            "PostgreSQL is not installed. Install it (on Debian: apt-get install postgresql; on a Mac: brew install "
            "postgresql@17), or leave out --postgres."
        )
    return found[-1]


def _version(programs: Path) -> int:
    numbers = re.findall(r"\d+", programs.parent.name)
    return int(numbers[0]) if numbers else 0


def _create(programs: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # of a start that was cut short
    folder.mkdir(parents=True)
    if _is_root():
        _give_away(folder)
        _check_passage(folder)
    # Without a password, which would have to be told to every task: whoever is on this machine may read its samples.
    # Texts in the order of their bytes, everywhere; a Mac has no such locale that knows the letters of UTF-8 too.
    locale = "C.UTF-8" if sys.platform == "linux" else "C"
    options = ["-U", _USER, "-A", "trust", "-E", "UTF8", f"--locale={locale}"]
    done = _run([programs / "initdb", "-D", folder / "data", *options])
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


def _is_root() -> bool:
    return sys.platform != "win32" and os.getuid() == 0


def _give_away(folder: Path) -> None:
    try:
        shutil.chown(folder, _SYSTEM_USER, _SYSTEM_USER)
    except LookupError:
        raise StackError(
            f"PostgreSQL does not run as root, and there is no user {_SYSTEM_USER}. Start the stack as another user."
        ) from None


def _run(command: Sequence[str | Path]) -> "subprocess.CompletedProcess[str]":
    own = {"user": _SYSTEM_USER, "group": _SYSTEM_USER, "extra_groups": []} if _is_root() else {}
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd="/", **own)  # type: ignore[call-overload,no-any-return]  # noqa: S603


def _is_ready(programs: Path, port: int) -> bool:
    question = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    return subprocess.run(question, check=False).returncode == 0  # noqa: S603
