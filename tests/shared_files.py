"""Files as Windows shares them, on systems that are more lenient: what is open can be neither replaced nor deleted.

Only this process's own open files count. On Windows itself nothing is done: it is so there.
"""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_DESCRIPTORS = 512


class SharingError(PermissionError):
    winerror = 32


class SharedFiles:
    """`refused` is set once somebody had to wait for a file that is open."""

    def __init__(self) -> None:
        self.refused = threading.Event()

    def guard(self, call: Callable[..., Any], which: int) -> Callable[..., Any]:
        """The call, refused where its argument of this number is open."""

        def guarded(*arguments: Any, **options: Any) -> Any:
            if _is_open(Path(arguments[which])):
                self.refused.set()
                raise SharingError(13, "The process cannot access the file", str(arguments[which]))
            return call(*arguments, **options)

        return guarded


@pytest.fixture
def shared_files(monkeypatch: pytest.MonkeyPatch) -> SharedFiles:
    shared = SharedFiles()
    if sys.platform != "win32":
        monkeypatch.setattr(os, "replace", shared.guard(os.replace, 1))
        monkeypatch.setattr(os, "unlink", shared.guard(os.unlink, 0))
    return shared


def _is_open(path: Path) -> bool:
    try:
        wanted = path.stat()
    except FileNotFoundError:
        return False
    for descriptor in range(3, _DESCRIPTORS):
        try:
            if os.path.samestat(os.fstat(descriptor), wanted):
                return True
        except OSError:
            continue
    return False
