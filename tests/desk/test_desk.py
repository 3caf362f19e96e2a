"""What the project's code cannot import at a desk, and other packages can."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.desk.__main__ import ROOT, SAMPLE

SITE = Path(__file__).with_name("site")


@pytest.mark.parametrize(
    ("importer", "message"), [("tasks.lake.local.store", "which Windows does not have"), ("asyncio", "")]
)
def test_our_code_finds_no_module_that_windows_lacks(importer: str, message: str) -> None:
    program = f"exec('import fcntl', {{'__name__': {importer!r}}})"
    environment = {**os.environ, "PYTHONPATH": str(SITE)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)

    assert bool(done.returncode) == bool(message)
    assert message in done.stderr


def test_what_is_run_at_the_desk_is_there() -> None:
    assert [name for name in SAMPLE if not (ROOT / name).exists()] == []
