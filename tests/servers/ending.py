"""The end of a process that a test has started, as an operator asks for it."""

import subprocess
from signal import SIGABRT
from typing import Any

SHOWN = {"PYTHONFAULTHANDLER": "1"}  # in its environment: Python shows the stacks of its threads when it is aborted


def end(process: "subprocess.Popen[Any]", seconds: float) -> bool:
    """Whether it has ended in time. One that has not is aborted, so that it shows where it stands."""
    process.terminate()
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(SIGABRT)
        process.wait(timeout=60)
        return False
    return True
