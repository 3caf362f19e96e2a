"""Makes a virtual environment with pip in it, also where Debian has taken pip out of Python."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
import venv
from pathlib import Path

_NO_PIP = """\
This Python has no pip, which installs what is needed here. Install it, and call this again:
  apt-get install python3-venv     (Debian and Ubuntu)"""


def is_whole(folder: Path, python: Path) -> bool:
    return python.exists() and any(folder.glob("[Ll]ib/**/site-packages/pip"))


def make(folder: Path) -> None:
    """Makes an environment in place of what is in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    with_pip = importlib.util.find_spec("ensurepip") is not None
    venv.create(folder, with_pip=with_pip, symlinks=os.name != "nt")
    if not with_pip:
        _add_debians_pip(folder / "bin" / "python")


def _add_debians_pip(python: Path) -> None:
    """Unpacks pip from Debian's package, which is not installed: that needs no root, and changes no machine."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise SystemExit(_NO_PIP)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True)
        apt = ["apt-get", "-qq", f"-oDir::State::lists={folder}/lists", f"-oDir::Cache={folder}/cache"]
        # Run by root, apt gives up its rights to download; the folder is open to none but root.
        apt += ["-oAPT::Sandbox::User=root"] if os.geteuid() == 0 else []
        for command in (
            [*apt, "update"],
            [*apt, "download", "python3-pip-whl"],
            ["sh", "-c", "dpkg-deb -x python3-pip-whl_*.deb ."],
        ):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{done.stderr.strip()}\n{_NO_PIP}")
        wheel = next(folder.glob("usr/share/python-wheels/pip-*.whl"))
        pip = [python, "-m", "pip", "--quiet", "install", "--no-index", wheel]
        if subprocess.run(pip, env=os.environ | {"PYTHONPATH": str(wheel)}, check=False).returncode:
            raise SystemExit(_NO_PIP)
