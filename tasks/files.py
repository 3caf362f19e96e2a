"""Files as Windows, macOS and Linux have them in common: replaced while somebody reads them, named by path or URL."""

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from tasks.errors import ConfigurationError

PATIENCE = 10.0  # seconds for a reader to close a file
BRIEF = 2.0  # seconds for a writer to replace one
_LOOK = 0.01  # seconds
# On Windows nobody can replace or delete a file that another process has open, nor open it while that is done. Denied:
# also for good, where the user may not. https://learn.microsoft.com/windows/win32/debug/system-error-codes--0-499-
_DENIED, _SHARING, _LOCKED, _MAPPED = 5, 32, 33, 1224
_DRIVE = re.compile(r"/?[A-Za-z]:")

_Result = TypeVar("_Result")


def patiently(action: Callable[[], _Result], patience: float = PATIENCE) -> _Result:
    """What the action returns, tried again while Windows says that a file is open elsewhere. Raises its OSError."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return action()
        except PermissionError as error:
            if not is_in_use(error) or time.monotonic() > deadline:
                raise
        time.sleep(_LOOK)


def is_held_open(error: OSError) -> bool:
    """Whether the file cannot be used because another program has it open, and for no other reason."""
    return _windows_code(error) in {_SHARING, _LOCKED, _MAPPED}


def is_in_use(error: OSError) -> bool:
    """Whether it may be that. A folder, too, is in use while somebody lists it."""
    return is_held_open(error) or _windows_code(error) == _DENIED


def replace(fresh: Path, target: Path, patience: float = PATIENCE) -> None:
    """The fresh file in the place of the target, whole, whoever reads that."""
    patiently(lambda: fresh.replace(target), patience)


def flush_folder(folder: Path) -> None:
    """What was made or renamed in it survives a loss of power. Windows knows no such call, and keeps a journal."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def local_path(text: str) -> Path:
    """Where a path or a `file://` URL leads, `~` to the user's home. Raises ConfigurationError where there is none."""
    is_url, windows = text.startswith("file://"), sys.platform == "win32"
    path = Path(path_of_url(text.removeprefix("file://"), windows=windows) if is_url else text)
    try:
        return path.expanduser()
    except RuntimeError:
        raise ConfigurationError(f"{text} begins with a user whose home is not known. Write the path out.") from None


def path_of_url(rest: str, *, windows: bool) -> str:
    """What follows `file://` as a path. On Windows `/C:/data` is on a drive, and `server/share` on a server."""
    path = unquote(rest)
    if not windows:
        return path
    if _DRIVE.match(path):
        return path.removeprefix("/")
    return path if path.startswith("/") else f"//{path}"


def _windows_code(error: OSError) -> int | None:
    code: int | None = getattr(error, "winerror", None)
    return code
