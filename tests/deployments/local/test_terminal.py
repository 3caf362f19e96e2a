"""What the terminal shows while production runs on this machine."""

import subprocess
import sys

from tests.deadline import until
from tests.deployments.local.stack import Stack

HEAVY = {"prefect", "polars", "sqlalchemy", "azure", "pydantic"}


def test_an_error_in_a_log_is_shown(stack: Stack) -> None:
    """The error is the worker's, which has no node for such a run."""
    stack.run("prefect", "deployment", "run", "housekeeping/nightly", "--job-variable", "required_slots=99")
    shown = until(lambda: "Failed to submit flow run" in stack.said() and stack.said(), 120)
    line = next(line for line in str(shown).splitlines() if "Failed to submit flow run" in line)
    assert line.startswith("Worker: ")
    assert f"More in {stack.state / 'logs' / 'worker.log'}" in str(shown)


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys, deployments.local.__main__ as m\ntry: m.main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--prefect-port" in done.stdout
    assert not HEAVY & set(done.stdout.splitlines()[-1].split())
