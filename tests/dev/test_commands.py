"""The commands in `.dev`, as a shell starts them."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEV = ROOT / ".dev"
COMMANDS = ("python", "test", "lock")


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    # An installation that a test has to wait for is another test's, or somebody's: these need none.
    given = {**os.environ, "REQUIREMENTS": "test", **environment}
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)


def started_as(version: tuple[int, int, int], path: Path, command: str) -> subprocess.CompletedProcess[str]:
    """By a Python that says it is of that version, where PATH is that folder."""
    code = f"import runpy, sys; sys.version_info = {version}; sys.argv = [{command!r}, '-c', 'print(1)']; "
    code += f"runpy.run_path({command!r}, run_name='__main__')"
    return run(sys.executable, "-c", code, PATH=str(path), PYTHONPATH=str(DEV))


def test_what_is_installed_is_used_at_once() -> None:
    done = run(sys.executable, DEV / "python", "-c", "import pytest, sys; print(*sys.argv[1:])", "a b", "*")

    assert (done.stdout, done.stderr, done.returncode) == ("a b *\n", "", 0)


def test_the_exit_code_is_the_programs() -> None:
    assert run(sys.executable, DEV / "python", "-c", "raise SystemExit(7)").returncode == 7


@pytest.mark.skipif(sys.platform == "win32", reason="shells of Windows start no file without an extension")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_shell_starts_it(name: str) -> None:
    done = run("sh", "-c", f".dev/{name} --version")

    assert done.returncode == (name == "lock"), done.stderr


def test_an_unknown_set_of_packages_is_told() -> None:
    done = run(sys.executable, DEV / "python", "-c", "", REQUIREMENTS="tests")

    assert done.returncode == 1
    assert done.stderr.strip() == "REQUIREMENTS=tests is no set of packages. It may be run or test."


@pytest.mark.parametrize("name", [*COMMANDS, "interpreter.py"])
def test_an_old_python_reads_it(name: str) -> None:
    ast.parse((DEV / name).read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("name", COMMANDS)
def test_an_old_python_says_which_it_needs(tmp_path: Path, name: str) -> None:
    done = started_as((3, 9, 1), tmp_path, str(DEV / name))

    assert done.returncode == 1
    assert done.stderr.startswith("This needs Python 3.11, and was started by ")


@pytest.mark.skipif(sys.platform == "win32", reason="a link needs rights there")
def test_an_old_python_finds_the_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / f"python3.{sys.version_info.minor}").symlink_to(sys.executable)

    done = started_as((3, 9, 1), tmp_path, str(DEV / "python"))

    assert (done.stdout, done.stderr) == ("1\n", "")
