"""An image's file system to look into, and commands in containers of it, through its entry point."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.batch_image.image import buildah


@contextmanager
def mounted(image: str) -> Iterator[Path]:
    container = buildah("from", "--pull-never", image).strip()
    try:
        yield Path(buildah("mount", container).strip())
    finally:
        buildah("rm", container)


def run(container: str, *command: str, user: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """The command, through the entry point, which buildah leaves to its caller.

    Output goes into files: of buildah's pipe now and then nothing arrives."""
    variables = [f"--env={name}={value}" for name, value in environment.items()]
    options = [f"--user={user}"] if user else []
    said = ["sh", "-c", 'exec "$@" >/said/out 2>/said/err', "sh"]
    entry = [*said, "/usr/bin/tini", "-s", "--", "/opt/etl/bin/batch-launcher"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        arguments = [
            "--isolation=chroot",
            f"--volume={folder}:/said",
            *options,
            *variables,
            container,
            "--",
            *said,
            *entry,
        ]
        done = subprocess.run(["buildah", "run", *arguments, *command], capture_output=True, timeout=300, check=False)
        output, errors = ((Path(folder) / name).read_text() for name in ("out", "err"))
        return subprocess.CompletedProcess(command, done.returncode, output, errors)
