"""How all tests are divided among processes."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEST = """
import os, pathlib
def test_it():
    pathlib.Path(__file__).with_suffix(".ran").write_text(os.environ["PYTEST_XDIST_WORKER"])
"""


def test_files_that_share_what_takes_minutes_are_one_process_s(tmp_path: Path) -> None:
    files = [f"tests/batch_image/test_image{kind}.py" for kind in ("", "_execution", "_on_batch")]
    files += [f"tests/tasks/test_{name}.py" for name in ("first", "second")]
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "-p", "tests.side_by_side", "--rootdir", tmp_path, tmp_path],
        env=environment | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    workers = [(tmp_path / file).with_suffix(".ran").read_text() for file in files]
    assert len(set(workers[:3])) == 1
    assert len(set(workers)) == 2
