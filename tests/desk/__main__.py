"""Runs tests as at a desk without Linux: no /proc, no tools of GNU, and for our own code no modules that Windows lacks.

python -m tests.desk                       a sample
python -m tests.desk tests/tasks -x        other tests, and options of pytest

What the tests' own servers and disks are started by stays on PATH. Needs root on Linux, to take /proc away.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLE = (
    "tests/tasks/test_files.py",
    "tests/tasks/lake/snapshots/test_names.py",
    "tests/tasks/lake/local/test_shared_files.py",
    "tests/tasks/lake/conformance/test_snapshots.py",
    "tests/tasks/database/dialects/sqlite/test_dialect.py",
    "tests/flows/market_prices/test_market_prices.py",
)
_OF_TESTS = ("node", "setpriv", "losetup", "mount", "umount", "mkfs.ntfs", "ntfs-3g", "mkfs.exfat", "mount.exfat-fuse")
# A mount namespace of its own, in which an empty folder lies over /proc.
_WITHOUT_PROC = 'mount -t tmpfs none /proc && export PATH="$1" && shift && exec "$@"'


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="desk-") as name:
        tools = Path(name)
        tools.chmod(0o755)  # PostgreSQL's own user looks for programs too
        for program in _OF_TESTS:
            if found := shutil.which(program):
                (tools / program).symlink_to(found)
        path = os.pathsep.join([str(Path(sys.executable).parent), name])
        tests = [sys.executable, "-m", "pytest", *(sys.argv[1:] or SAMPLE)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).with_name("site"))}
        command = ["unshare", "--mount", "sh", "-c", _WITHOUT_PROC, "sh", path, *tests]
        sys.exit(subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
