"""The most memory that a process has had, as each system tells it."""

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """Of this process so far, in KiB."""
    if sys.platform == "win32":
        import psutil  # noqa: PLC0415 - it says this of Windows alone

        return int(psutil.Process().memory_info().peak_wset) >> 10
    if _STATUS.exists():  # what the kernel reckons for getrusage includes the process that has started this one
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    import resource  # noqa: PLC0415 - which Windows does not have

    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found >> 10 if sys.platform == "darwin" else found
