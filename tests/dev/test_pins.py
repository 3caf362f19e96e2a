"""The pins are what pyproject.toml asks for: a file that lacks one is found."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = ("pyproject.toml", "README.md", ".dev", "batch_image", "deployments/azure_batch", "deployments/batch_emulator")

IGNORED = shutil.ignore_patterns("node_modules", "__pycache__")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Of what the pins are made from, and of them."""
    for name in FILES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=IGNORED)
        else:
            shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import sys, pins; pins.check_contents(sys.executable)"]
    given = {**os.environ, "PYTHONPATH": str(folder / ".dev")}
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=300, check=False)


def test_one_that_is_missing_is_told(copy: Path) -> None:
    run = copy / ".dev" / "requirements" / "run.txt"
    without = re.sub(r"^polars==(?:.|\n )+\n", "", run.read_text(), flags=re.MULTILINE)
    assert without != run.read_text()
    run.write_text(without)

    done = check(copy)

    assert done.returncode == 1
    assert done.stderr.strip() == (
        ".dev/requirements/run.txt is not what pyproject.toml asks for: call .dev/lock, and commit what it writes."
    )
