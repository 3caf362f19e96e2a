"""Pinned requirements, which uv resolves from pyproject.toml for every system at once."""

import re
import shutil
import subprocess
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from interpreter import SUPPORTED

ALL = ".dev/requirements/test.txt"
_SAME = ["-c", ALL]
# Each file, and what is in it. All that is in another one is in the first, of the same version.
FILES = {
    ALL: [
        "pyproject.toml",
        *("--extra", "dashboard", "--extra", "notebooks", "--extra", "local"),
        *("--group", "build", "--group", "test"),
    ],
    ".dev/requirements/run.txt": ["pyproject.toml", "--group", "build", "--extra", "dashboard", *_SAME],
    # What the local production adds to a run.
    ".dev/requirements/node.txt": ["-", *_SAME],
    # The image of Batch tasks: what is in it, and apart from that what makes the project's wheel while it is built.
    "batch_image/requirements.txt": ["pyproject.toml", *_SAME],
    "batch_image/requirements-build.txt": ["--group", "build", *_SAME],
}
DESKS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc")
# Of this tree: installed from it, and not pinned.
OWN = ("prefect-azure-batch", "azure-batch-emulator")
# What newer versions have broken before: the schedules of a server, and what is private in Prefect.
PROVEN_BY = [
    "tests/deployments/test_schedules.py",
    "tests/deployments/azure_batch/test_prefect_private.py",
    "tests/deployments/azure_batch/test_prefect_services.py",
    "tests/deployments/local/test_deployments_run.py",
    "tests/deployments/local/test_stack.py",
    "tests/batch_image/test_requirements.py",
]


def write(python: str, options: list[str]) -> None:
    for file, contents in FILES.items():
        _compile(python, file, [*contents, *options])


def check_contents(python: str) -> None:
    """Raises SystemExit for pins that are not what pyproject.toml asks for."""
    with tempfile.TemporaryDirectory() as folder:
        for file, contents in FILES.items():
            copy = shutil.copyfile(file, Path(folder) / Path(file).name)
            _compile(python, str(copy), contents)
            if _pins(Path(file)) != _pins(copy):
                raise SystemExit(
                    f"{file} is not what pyproject.toml asks for: call .dev/lock, and commit what it writes."
                )


def check_wheels(python: str) -> None:
    """Raises SystemExit for a pin that a desk has no wheel of, under the oldest or the newest Python."""
    oldest_and_newest = {f"{major}.{minor}" for major, minor in (SUPPORTED[0], SUPPORTED[-1])}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda desk: _find_wheels(python, *desk), product(DESKS, oldest_and_newest)))


def _pins(file: Path) -> list[str]:
    """Without hashes: of a version that is out, more wheels may come."""
    return re.findall(r"^\S+==[^\\]+", file.read_text(encoding="utf-8"), re.MULTILINE)


def _compile(python: str, file: str, options: list[str]) -> None:
    oldest = "{}.{}".format(*SUPPORTED[0])
    _uv(python, ["--universal", "--python-version", oldest, "--generate-hashes", *options, "-o", file])


def _find_wheels(python: str, desk: str, version: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        options = ["--no-deps", "--only-binary", ":all:", "--python-platform", desk, "--python-version", version]
        _uv(python, [*options, ALL, "-o", f"{folder}/requirements.txt"])


def _uv(python: str, options: list[str]) -> None:
    command = [python, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-emit-index-url"]
    command += [option for name in OWN for option in ("--no-emit-package", name)]
    node = "\n".join(one for one in _declared()["optional-dependencies"]["local"] if one not in OWN)  # what `-` reads
    done = subprocess.run([*command, *options], input=node, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stderr.strip()}\nuv pip compile {' '.join(options)} failed with {done.returncode}.")


def _declared() -> dict:
    return tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
