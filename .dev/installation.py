"""Installs pinned packages into a virtual environment with pip, and says what it is doing while it does."""

import os
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import virtual_environment

_LARGE = 10  # MB: a larger package is named
_EVERY = 5  # seconds between two words
_WHEEL = re.compile(r"(?:Downloading|Using cached) (?:\S*/)?([^-/]+)-\S+ \(([\d.]+) MB\)")

# The two distributions, and the project, which uses them as anybody would.
PROJECTS = ("deployments/azure_batch", "deployments/batch_emulator", ".")


def install(folder: Path, python: Path, requirements: Path) -> None:
    """What the file pins, as wheels with these hashes, into the environment in the folder, which is made if need be."""
    told = _Telling(folder)
    pins = len(re.findall(r"^\S+==", requirements.read_text(encoding="utf-8"), re.MULTILINE))
    say(f"Installing up to {pins} pinned packages into {folder.name}: once, for a minute or two.")
    if not virtual_environment.is_whole(folder, python):
        virtual_environment.make(folder)
        told.say("made a virtual environment")
    # Bytecode is written when a module is first imported. Most never are, and to compile all takes as long as the rest.
    options = ["--no-compile", "--only-binary=:all:", "--require-hashes", "-r", str(requirements)]
    with told:
        _pip(python, options, told.hear)
    told.say(f"done: {_sizes(folder)}")


def install_projects(python: Path, root: Path) -> None:
    """Their modules are imported from where they are."""
    places = [option for project in PROJECTS for option in ("--editable", str(root / project))]
    _pip(python, ["--no-build-isolation", *places])


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class _Telling:
    """What pip does, from its lines and, while it writes none, from what it has unpacked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = time.monotonic()
        self._found = 0
        self._unpacking = False
        self._end = Event()
        self._thread = Thread(target=self._go_on)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def hear(self, line: str) -> None:
        self._found += line.startswith("Collecting ")
        self._unpacking = self._unpacking or line.startswith("Installing collected packages")
        wheel = _WHEEL.search(line)
        if wheel and float(wheel[2]) >= _LARGE:
            self.say(f"downloading {wheel[1]}, {wheel[2]} MB")

    def say(self, text: str) -> None:
        say(f"{time.monotonic() - self._started:5.0f} s  {text}")

    def _go_on(self) -> None:
        while not self._end.wait(_EVERY):
            if self._unpacking:
                self.say(f"unpacked {len(list(_packages(self._folder).glob('*.dist-info')))} packages")
            else:
                self.say(f"downloaded {self._found} packages")


def _pip(python: Path, options: list[str], hear: Callable[[str], None] = lambda _: None) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--progress-bar=off"]
    last: deque[str] = deque(maxlen=20)
    with subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=os.environ | {"PYTHONUTF8": "1"},
    ) as process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            hear(line.strip())
    if process.returncode:
        say("\n".join(last))
        raise SystemExit(
            "pip could not install what is pinned: its last words are above. What is installed stays; call this again."
        )


def _sizes(folder: Path) -> str:
    """What all packages take on the disk, and what the largest do."""
    sizes = {entry.name: _size(entry) for entry in _packages(folder).iterdir()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
    named = ", ".join(f"{name.strip('_')} {sizes[name] / 1e6:.0f}" for name in largest)
    return f"{sum(sizes.values()) / 1e6:.0f} MB, of which {named}"


def _size(entry: Path) -> int:
    files = (file.lstat() for file in (entry.rglob("*") if entry.is_dir() else (entry,)))
    return sum(file.st_size for file in files)


def _packages(folder: Path) -> Path:
    return next(folder.glob("[Ll]ib/**/site-packages"))
