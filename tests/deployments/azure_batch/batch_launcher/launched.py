"""The launcher as Batch starts it: a process with an environment of its own."""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[4]
PATH = f"{Path(sys.executable).parent}:/usr/bin:/bin"


def start(*command: str, **environment: str) -> "subprocess.Popen[str]":
    """The process has these variables and a PATH, and nothing else."""
    return subprocess.Popen(
        [sys.executable, "-m", "batch_launcher", *command],
        env={"PATH": PATH} | environment,
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def launch(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    with start(*command, **environment) as process:
        output, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)
