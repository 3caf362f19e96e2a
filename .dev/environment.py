"""The project's environment, `.venv`: made from the pinned requirements when they are new, else used as it is."""

import json
import os
import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import installation

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
_SETS = ("run", "test")  # what the tests need includes all that a run needs
_PROJECT = VENV / "installed-project"


def python(wanted: str) -> str:
    """The Python that has the set of packages `wanted`, which `.dev/requirements/{wanted}.txt` pins.

    One process makes the environment or brings it up to date, where need be; others wait for it."""
    if wanted not in _SETS:
        raise SystemExit(f"REQUIREMENTS={wanted} is no set of packages. It may be {' or '.join(_SETS)}.")
    (ROOT / ".cache").mkdir(exist_ok=True)
    try:
        with _locked(ROOT / ".cache" / "install.lock"):
            _update(wanted)
    except KeyboardInterrupt:
        raise SystemExit("\nStopped. Call this again: what is downloaded by then is not downloaded again.") from None
    return str(PYTHON)


def _update(wanted: str) -> None:
    if not PYTHON.exists() or not (_installed(wanted) or _installed("test")):
        _install(wanted)
    if not _PROJECT.is_file() or _PROJECT.read_text(encoding="utf-8") != _project():
        installation.install_projects(PYTHON, ROOT)
        _PROJECT.write_text(_project(), encoding="utf-8")


def _requirements(name: str) -> Path:
    return ROOT / ".dev" / "requirements" / f"{name}.txt"


def _stamp(name: str) -> Path:
    """A copy of the requirements that are installed, all of them: it is not there while some are missing."""
    return VENV / f"installed-{name}"


def _installed(name: str) -> bool:
    return _stamp(name).is_file() and _stamp(name).read_bytes() == _requirements(name).read_bytes()


def _install(wanted: str) -> None:
    for stamp in (_PROJECT, *map(_stamp, _SETS)):
        stamp.unlink(missing_ok=True)
    installation.install(VENV, PYTHON, _requirements(wanted))
    shutil.copyfile(_requirements(wanted), _stamp(wanted))


def _project() -> str:
    """What of each pyproject.toml decides how it is installed: its packages and its entry points."""
    files = [ROOT / project / "pyproject.toml" for project in installation.PROJECTS]
    declared = [tomllib.loads(file.read_text(encoding="utf-8")) for file in files]
    return json.dumps([[one["build-system"], one["project"], one["tool"]["hatch"]] for one in declared])


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("a+b") as lock:
        _lock(lock.fileno())
        yield  # closing the file unlocks it


if sys.platform == "win32":
    import msvcrt
    import time

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)  # the first byte is what is locked
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError:  # another process has it
                time.sleep(0.2)
            else:
                return

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
