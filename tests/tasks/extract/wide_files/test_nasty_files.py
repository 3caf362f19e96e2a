"""Files that are made to harm are refused, or read, and take less than a gigabyte; none takes the process along."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.vendor_file.nasties import NASTIES

ROOT = Path(__file__).parents[4]
PROGRAM = """
import json, sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from tasks.extract.wide_files.archive import unpacked
from tasks.extract.wide_files.bounds import DEFAULT_BOUNDS
from tasks.extract.wide_files.layout import Layout
from tasks.extract.wide_files.wide_file import open_wide_file
from tasks.isolation import Failure, attempt
from tests.peak_memory import peak_memory

bounds = replace(DEFAULT_BOUNDS, most_bytes=400 << 20)  # so that a disk need not hold what it is by default

def rows(path):
    wide = open_wide_file(unpacked(path, bounds.most_bytes), Layout(), date(2024, 3, 1), bounds)
    return sum(frame.height for frame in wide.rows())

for path in map(Path, sys.argv[1:]):
    found = attempt(lambda: rows(path))
    is_failure = isinstance(found, Failure)
    told = [type(found.error).__name__, found.reason] if is_failure else ["rows", found]
    print(json.dumps([path.name, *told, peak_memory()]))
"""


@pytest.mark.parametrize("name", NASTIES)
def test_it_is_refused_in_words_or_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(NASTIES[name]())
    done = subprocess.run([sys.executable, "-c", PROGRAM, path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    _, outcome, told, peak = json.loads(done.stdout)
    assert outcome in ("ContractError", "rows"), told
    assert peak < 1 << 20, f"{peak} KiB"
