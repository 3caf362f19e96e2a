"""Empty environments into which a distribution of this tree is installed, as a stranger does."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PINS = ROOT / ".dev" / "requirements" / "test.txt"


@dataclass(frozen=True)
class Environment:
    """A virtual environment of its own, and a folder to work in, from which nothing of this tree is imported."""

    folder: Path

    @property
    def scripts(self) -> Path:
        return self.folder / "bin"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def variables(self, **more: str) -> dict[str, str]:
        own = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ", "LD_PRELOAD") if name in os.environ}
        path = f"{self.scripts}:/usr/bin:/bin"
        return {**own, "PATH": path, "HOME": str(self.home), "PREFECT_HOME": str(self.home / "prefect"), **more}

    def start(self, *command: str, **variables: str) -> "subprocess.Popen[str]":
        """Starts a program of it, whose output is the test's."""
        program = str(self.scripts / command[0])
        return subprocess.Popen([program, *command[1:]], cwd=self.home, env=self.variables(**variables), text=True)

    def run(self, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """What a program of it says. Raises AssertionError with that when it fails."""
        program = str(self.scripts / command[0])
        environment = self.variables(**variables)
        done = subprocess.run(
            [program, *command[1:]],
            cwd=self.home,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,  # on a machine that is busy
            check=False,
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def finds(self, *modules: str) -> list[str]:
        """Those of the modules that can be imported there."""
        code = "import importlib.util, sys; print(*filter(importlib.util.find_spec, sys.argv[1:]))"
        return self.run("python", "-c", code, *modules).stdout.split()


def build_wheel(distribution: str, folder: Path) -> Path:
    """The wheel of the distribution in a folder of this tree."""
    command = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    _python(*command, str(ROOT / distribution))
    return next(folder.glob("*.whl"))


def make_environment(folder: Path, *requirements: str) -> Environment:
    """With what is required, and what that requires, in the versions that are pinned and with their hashes."""
    environment = Environment(folder)
    _python("venv", "--without-pip", str(folder))
    environment.home.mkdir()
    place = ["--python", str(environment.scripts / "python")]
    # In place of pip, for it links packages from its cache: seconds for a hundred of them.
    _python("uv", "pip", "install", "--quiet", *place, "--constraint", str(_PINS), *requirements)
    _python("uv", "pip", "check", "--quiet", *place)
    return environment


def _python(*module: str) -> None:
    done = subprocess.run([sys.executable, "-m", *module], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{module} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
