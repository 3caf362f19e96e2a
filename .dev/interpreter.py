"""Finds a Python that the project runs on, and hands over to it.

Whichever Python 3 a user has reads this file: nothing in it is newer than Python 3.6.
"""

import os
import shutil
import signal
import subprocess
import sys
from typing import List, NoReturn

SUPPORTED = ((3, 11),)


def require_supported() -> None:
    """Returns in a supported Python. From another, the command starts again in one that is here, or says what to do."""
    if sys.version_info[:2] in SUPPORTED:
        return
    versions = [f"{major}.{minor}" for major, minor in SUPPORTED]
    for version in versions:
        for command in (["py", f"-{version}"], [f"python{version}"]):
            if _is(version, command):
                hand_over(command + sys.argv)
    sys.exit(
        f"This needs Python {' or '.join(versions)}, and was started by {sys.version.split()[0]} ({sys.executable}). "
        "Install that beside it, and call this again: it is found by itself."
    )


def hand_over(command: List[str]) -> NoReturn:
    """Becomes the command. Windows cannot do that: there it is waited for, and this process ends with its exit code."""
    if os.name != "nt":
        found = shutil.which(command[0]) or command[0]
        os.execv(found, [found, *command[1:]])
    process = subprocess.Popen(command)
    # The console tells both processes of Ctrl-C; it is for the command to end as it likes.
    signal.signal(signal.SIGINT, lambda *_: None)
    sys.exit(process.wait())


def _is(version: str, command: List[str]) -> bool:
    """A name on PATH is no proof: pyenv has one for each version, also where it starts none."""
    found = shutil.which(command[0])
    if found is None:
        return False
    asked = [found, *command[1:], "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        return process.communicate()[0].decode().strip() == version
