"""Disks as other systems have them, each in a file: NTFS, which refuses the names of devices, and exFAT, whose folders
ignore capitals. They are mounted by drivers that run as programs of root."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

_SIZE = 64 << 20


@contextmanager
def _mounted(folder: Path, make: Sequence[str], mount: Sequence[str]) -> Iterator[Path]:
    if missing := [name for name in (make[0], mount[0]) if not shutil.which(name)]:
        pytest.skip(f"a disk of another system needs {missing}: apt-get install ntfs-3g exfat-fuse exfatprogs")
    image, place = folder / "disk.image", folder / "disk"
    with image.open("wb") as file:
        file.truncate(_SIZE)
    place.mkdir()
    _run([*make, str(image)])
    device = _run(["losetup", "--find", "--show", str(image)])
    try:
        _run([*mount, device, str(place)])
        try:
            yield place
        finally:
            subprocess.run(["umount", str(place)], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def _run(command: Sequence[str]) -> str:
    """What it prints. Skips the test where it is refused."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine does not let one mount a disk: {command[0]}: {done.stderr}")
    return done.stdout.strip()


@pytest.fixture
def ntfs(tmp_path: Path) -> Iterator[Path]:
    """A folder on NTFS, with the names that Windows allows."""
    with _mounted(tmp_path, ["mkfs.ntfs", "-F", "-Q", "-q"], ["ntfs-3g", "-o", "windows_names"]) as place:
        yield place


@pytest.fixture
def exfat(tmp_path: Path) -> Iterator[Path]:
    """A folder that keeps capitals and ignores them, as those of Windows and macOS do."""
    with _mounted(tmp_path, ["mkfs.exfat"], ["mount.exfat-fuse"]) as place:
        yield place
