"""How pinned packages get into an environment: by pip, from the registry, as on a new machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEV = ROOT / ".dev"
PINS = (DEV / "requirements" / "run.txt").read_text(encoding="utf-8")


def pinned(name: str) -> str:
    """With its hashes, as it stands in the file."""
    found = re.search(rf"^{name}==(?:.|\n )+", PINS, re.MULTILINE)
    assert found
    return found[0] + "\n"


def install(folder: Path, requirements: str) -> subprocess.CompletedProcess[str]:
    file = folder / "requirements.txt"
    file.write_text(requirements)
    python = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    code = "import sys, pathlib, installation; installation.install(*map(pathlib.Path, sys.argv[1:]))"
    command: list[str | Path] = [sys.executable, "-c", code, folder / "new", folder / "new" / python, file]
    return subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(DEV)}, capture_output=True, text=True, timeout=300, check=False
    )


def test_it_says_what_it_does_and_what_is_large(tmp_path: Path) -> None:
    done = install(tmp_path, pinned("six") + pinned("pytz"))

    assert done.returncode == 0, done.stderr
    told = [line.split(" s  ")[-1] for line in done.stderr.splitlines()]
    assert told[0] == "Installing up to 2 pinned packages into new: once, for a minute or two."
    assert told[1] == "made a virtual environment"
    assert re.fullmatch(r"done: \d+ MB, of which pip \d+, .*pytz \d.*", told[-1])
    assert list(tmp_path.glob("new/[Ll]ib/**/site-packages/six.py"))


def test_another_file_than_the_pinned_one_is_refused_in_pips_words(tmp_path: Path) -> None:
    changed = re.sub(r"sha256:.{8}", "sha256:00000000", pinned("six"))

    done = install(tmp_path, changed)

    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("pip could not install what is pinned")


def test_one_process_installs_while_others_wait(tmp_path: Path) -> None:
    """Each writes two words to one file, with nothing but the lock between them."""
    code = """
import pathlib, sys, time, environment
with environment._locked(pathlib.Path(sys.argv[1])):
    for word in ("begins", "ends"):
        with open(sys.argv[2], "a") as file:
            file.write(word + "\\n")
        time.sleep(0.2)
"""
    command: list[str | Path] = [sys.executable, "-c", code, tmp_path / "lock", tmp_path / "said"]
    processes = [subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(DEV)}) for _ in range(4)]

    assert [process.wait(60) for process in processes] == [0] * 4
    assert (tmp_path / "said").read_text().split() == ["begins", "ends"] * 4
