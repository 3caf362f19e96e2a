"""The other processes of this machine, each with its group and its environment: from /proc, or from ps as on a Mac."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_PROC = Path("/proc")
_DEAD = ("Z", "X")  # a zombie, and what is about to be gone
_ENVIRONMENT = ["-A", "-E"] if sys.platform == "darwin" else ["axe"]  # of all processes, with their environments
_NEXT = r"(?= [A-Za-z_]\w*=|$)"  # what follows an entry, in whose value there may be spaces
_COLUMNS = "pid=,pgid=,stat=,command="


class Running(Protocol):
    """A process that is not dead. `groups` are its group and, where that is told, its session."""

    @property
    def pid(self) -> int: ...

    @property
    def groups(self) -> frozenset[int]: ...

    def has(self, entry: str, *, whole: bool = True) -> bool:
        """Whether its environment has the entry, or one that begins so. No for another user's process."""
        ...


def others() -> Iterator[Running]:
    """All but this process. On Windows, where the emulator starts none, nobody."""
    if sys.platform == "win32":
        return iter(())
    found = _from_proc() if _PROC.is_dir() and any(_PROC.iterdir()) else _from_ps()
    return (process for process in found if process.pid != os.getpid())


@dataclass(frozen=True)
class _InProc:
    pid: int
    groups: frozenset[int]

    def has(self, entry: str, *, whole: bool = True) -> bool:
        try:
            entries = (_PROC / str(self.pid) / "environ").read_bytes().split(b"\0")
        except OSError:  # gone since, or another user's
            return False
        wanted = os.fsencode(entry)
        return any(found == wanted if whole else found.startswith(wanted) for found in entries)


@dataclass(frozen=True)
class _FromPs:
    pid: int
    groups: frozenset[int]
    command: str  # and behind it the environment, a space before each entry

    def has(self, entry: str, *, whole: bool = True) -> bool:
        return bool(re.search(f" {re.escape(entry)}{_NEXT if whole else ''}", self.command))


def _from_proc() -> Iterator[Running]:
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            line = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # gone since
            continue
        # After the name in brackets: state, parent, group, session. https://man7.org/linux/man-pages/man5/proc.5.html
        state, _, group, session = line.rpartition(")")[2].split()[:4]
        if state not in _DEAD:
            yield _InProc(int(folder.name), frozenset({int(group), int(session)}))


def _from_ps() -> Iterator[Running]:
    command = ["ps", *_ENVIRONMENT, "-ww", "-o", _COLUMNS]
    told = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True)  # noqa: S603
    for line in told.stdout.splitlines():
        pid, group, state, words = line.split(maxsplit=3)
        if not state.startswith(_DEAD):
            yield _FromPs(int(pid), frozenset({int(group)}), words)
