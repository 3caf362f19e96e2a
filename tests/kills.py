"""SIGKILL for a process that writes a log, at a moment told by what it has logged: that does not depend on how busy the
machine is."""

import subprocess
from pathlib import Path

from tests.deadline import until

PATIENCE = 300  # seconds for what the process does, on a busy machine


def kill_at(process: "subprocess.Popen[bytes]", log: Path, line: int, seconds: float) -> bool:
    """So many seconds after it has logged this line. Whether there was something left to kill."""
    until(lambda: process.poll() is not None or log.read_bytes().count(b"\n") >= line, PATIENCE, every=0.005)
    return kill_after(seconds, process)


def kill_after(seconds: float, process: "subprocess.Popen[bytes]") -> bool:
    """Whether there was something left to kill."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False
