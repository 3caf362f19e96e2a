"""A shell in a folder that looks like the project's root and has no `.etl`: what a reader types, typed by a test."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.deadline import until
from tests.documents.blocks import PROJECT, Block
from tests.servers.prefect_server import free_port

_PATIENCE = 900.0  # seconds for a block to end, or to listen, on a machine that is busy
_KEPT = frozenset({"HOME", "LANG", "TZ", "TMPDIR", "CI", "PREFECT_HOME"})
_OWN = frozenset({".etl", ".git", ".cache"})


class Reader:
    """Runs the blocks of one document, one after the other; what a block exports the next ones have too."""

    def __init__(self, folder: Path, document: Sequence[Block], prefect_api: str) -> None:
        self._folder, self._exported = folder, folder.with_name("exported")
        self._environment = _environment() | {"PREFECT_API_URL": prefect_api}
        self._ports = {block.detail: str(free_port()) for block in document if block.word == "serves"}
        self._servers: list[subprocess.Popen[bytes]] = []
        folder.mkdir()
        for entry in PROJECT.iterdir():
            if entry.name not in _OWN:
                (folder / entry.name).symlink_to(entry)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in reversed(self._servers):
            _stop(server)

    def run(self, block: Block) -> None:
        """Raises AssertionError, with what the block printed, where it ends otherwise than the document says."""
        log = self._folder.with_name(f"{block.line}.log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                self._command(block),
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._servers.append(process)
        if block.word == "serves":
            until(lambda: process.poll() is not None or _listens(self._ports[block.detail]), _PATIENCE)
        else:
            process.wait(_PATIENCE)
            self._servers.remove(process)
        said = f"{block.name} ended with {process.returncode}:\n{log.read_text(errors='replace')}"
        match block.word:
            case "serves":
                assert process.returncode is None, said
            case "fails":
                assert process.returncode, said
                assert block.detail in said, said
            case _:
                assert process.returncode == 0, said

    def _command(self, block: Block) -> list[str]:
        text = block.text
        for port, free in self._ports.items():
            text = text.replace(port, free)
        if block.language == "python":
            return [sys.executable, "-c", text]
        # A reader's shell goes on after an error, which a test has to see, and keeps what was exported.
        before = f"set -eo pipefail; if [ -f {self._exported} ]; then . {self._exported}; fi"
        return ["bash", "-c", f"{before}\n{text}\nexport -p > {self._exported}"]


def _environment() -> dict[str, str]:
    """A new terminal's, in which the project's Python is the one that runs the tests."""
    own = {name: value for name, value in os.environ.items() if name in _KEPT or name.endswith(("_CERTS", "_FILE"))}
    return own | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _listens(port: str) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(port))) == 0


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ends it as Ctrl-C does, with all that its shell has started."""
    if sys.platform == "win32" or server.poll() is not None:
        return
    os.killpg(server.pid, signal.SIGINT)
    try:
        server.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
