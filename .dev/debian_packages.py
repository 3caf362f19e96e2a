"""Debian's packages that the tests need, each with what needs it: installed by root, once, where one is missing."""

import os
import shutil
import subprocess

from installation import say

NEEDED = {
    "chromium": "opens the pages: the dashboard, the emulator's, the notebooks' charts",
    "postgresql": "the warehouse of most tests, the local production's, Prefect's own database",
    "libodbc2": "unixODBC's driver manager, which pyodbc is linked to",
    "odbc-postgresql": "stands for Microsoft's driver on the way through pyodbc",
    "libsqliteodbc": "the same, for what PostgreSQL's driver does otherwise",
    "sqlite3": "the shell, a peer in a benchmark",
    "buildah": "builds the image of Batch tasks, and runs tasks in containers",
    "mmdebstrap": "makes the Debian below that image, and the bare root of continuous integration",
    "gpg": "signs the repository that stands for Microsoft's",
    "gpg-agent": "keeps the key of that signature",
    "busybox-static": "all that is in a tiny image",
    "mount": "mounts small disks, and disks of other systems",
    "ntfs-3g": "a disk of Windows",
    "exfatprogs": "makes a disk that takes no capitals for different",
    "exfat-fuse": "mounts it",
    "procps": "ps, which tells of processes where there is no /proc",
    "tcc": "compiles what moves the clock to another day, for tests that depend on it",
    "libc6-dev": "the headers for that",
}


def ensure(*, all_tests: bool) -> None:
    """Raises SystemExit where some tests would lack one. Those that were chosen may need none: then it only says so."""
    missing = [package for package in NEEDED if not _installed(package)]
    if not missing:
        return
    install = f"apt-get install {' '.join(missing)}"
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        told = f"Tests need packages of Debian that are not here; on a Debian 12, root installs them:\n  {install}"
        if all_tests:
            raise SystemExit(f"{told}\nOn another system, name the tests to run: .dev/test tests/tasks tests/flows")
        say(told)
        return
    say(f"Installing {', '.join(missing)}: once.")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
        done = subprocess.run(
            ["apt-get", "-qq", *command], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{done.stderr.strip()}\nDebian's packages could not be installed: {install}")


def _installed(package: str) -> bool:
    if shutil.which("dpkg-query") is None:
        return False
    asked = ["dpkg-query", "--show", "--showformat", "${db:Status-Status}", package]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout == "installed"
