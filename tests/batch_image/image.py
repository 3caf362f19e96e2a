"""The image of Batch tasks, really built: with buildah, on a Debian with Python that is made on the spot.

The base stands for the one that the Dockerfile names, which the tests do not download. Base and image are kept in
buildah's storage under names with a hash of what they are made of, so that a second run builds nothing.
"""

import functools
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
_CACHE = ROOT / ".cache" / "batch-image"  # holds the names of the images that were built last
_KEPT = 3
_BASE_RECIPE = (
    "--variant=minbase",
    "--include=python3,python3-venv,ca-certificates",
    *(f"--dpkgopt=path-exclude=/usr/share/{what}/*" for what in ("man", "doc", "locale")),  # as in slim images
    "--customize-hook=touch $1/etc/pip.conf",
)
_SUITE = "bookworm"
BASE = f"localhost/etl-test-base:{hashlib.sha256(' '.join((*_BASE_RECIPE, _SUITE)).encode()).hexdigest()[:12]}"
_CONTEXT = ("batch_image", "deployments", "flows", "tasks", "README.md", "pyproject.toml", ".dockerignore")
_IGNORED = {"__pycache__", "batch_emulator", "local", "notebooks"}  # as .dockerignore has it
_LONGEST = 1500  # seconds


@pytest.fixture(scope="session")
def image() -> str:
    """The name of the image in buildah's storage. Skips where it cannot be built.

    The first build takes three minutes, more than a test has: `pytest.mark.timeout(1800)`."""
    missing = [tool for tool in ("buildah", "mmdebstrap") if not shutil.which(tool)]
    if missing or sys.platform == "win32" or os.geteuid() != 0:
        pytest.skip(
            f"the image is built as root, with buildah and mmdebstrap (missing: {missing}); .dev/test gets them"
        )
    return built_image()


@functools.cache
def built_image() -> str:
    _CACHE.parent.mkdir(exist_ok=True)
    with FileLock(_CACHE.with_suffix(".lock")):  # one process builds, the others wait for it
        if not _exists(BASE):
            _make_base(BASE)
        name = f"localhost/etl-test:{_digest([BASE, *_contents()])}"
        if not _exists(name):
            build(name, BASE, "--build-arg=ODBC_DRIVER=")
        _remember(name)
        return name


def inspect(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(buildah("inspect", "--type", "image", image))
    return found


def buildah(*arguments: str) -> str:
    done = subprocess.run(
        ["buildah", *arguments], capture_output=True, text=True, timeout=_LONGEST, check=False, cwd=ROOT
    )
    if done.returncode:
        raise RuntimeError(f"buildah {' '.join(arguments)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _make_base(base: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Dockerfile").write_text(
            "FROM scratch\nADD base.tar /\nENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n"
        )
        command = ["mmdebstrap", "--quiet", *_BASE_RECIPE, _SUITE, f"{folder}/base.tar"]
        subprocess.run(command, check=True, timeout=_LONGEST)
        buildah("build", "--quiet", "--isolation", "chroot", "--tag", base, folder)


def build(name: str, base: str, *options: str) -> None:
    """What this machine needs to reach its package index is mounted for the build, and so stays out of the image."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pip.conf").write_text(_pip_configuration())
        certificates = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
        mounts = {f"{folder}/pip.conf": "/etc/pip.conf", certificates: "/etc/ssl/certs/ca-certificates.crt"}
        volumes = [f"--volume={source}:{target}:ro" for source, target in mounts.items()]
        names = [f"--build-arg=BASE={base}", "--file=batch_image/Dockerfile", f"--tag={name}"]
        buildah("build", "--quiet", "--isolation=chroot", "--layers", "--pull-never", *volumes, *names, *options, ".")


def _pip_configuration() -> str:
    """Where this machine's pip finds packages, but for folders, which the build does not see."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    settings = dict(line.split("=", 1) for line in listed.stdout.splitlines())
    lines = ["[global]", "cert = /etc/ssl/certs/ca-certificates.crt"]
    for setting, quoted in settings.items():
        option = setting.rpartition(".")[2]
        addresses = [address for address in quoted.strip("'").split() if address.startswith("http")]
        if option in ("index-url", "extra-index-url") and addresses:
            lines.append(f"{option} = {' '.join(addresses)}")
    return "\n".join(lines) + "\n"


def _remember(name: str) -> None:
    """Keeps a few images of earlier contents, for another process may be using them, and removes the others."""
    names = [known for known in _CACHE.read_text().split() if known != name] if _CACHE.exists() else []
    for old in names[: -_KEPT + 1]:
        subprocess.run(["buildah", "rmi", old], capture_output=True, check=False)  # it may be gone, or in use
    _CACHE.write_text("\n".join([*names[-_KEPT + 1 :], name]))


def _exists(name: str) -> bool:
    return (
        subprocess.run(["buildah", "inspect", "--type", "image", name], capture_output=True, check=False).returncode
        == 0
    )


def _contents() -> Iterator[str]:
    """Each file that the build may see, and what is in it."""
    for top in _CONTEXT:
        files = [ROOT / top] if (ROOT / top).is_file() else sorted((ROOT / top).rglob("*"))
        for file in files:
            if file.is_file() and not _IGNORED & set(file.parts):
                yield str(file.relative_to(ROOT))
                yield hashlib.sha256(file.read_bytes()).hexdigest()


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
