"""The emulator for tests: in a process of its own, on a free port, and the real SDK to talk to it.

with running_emulator(speed=0, executor="simulated") as emulator:
    with emulator.client() as client:
        client.create_pool(...)
    emulator.advance("PT10M")
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from azure.batch import BatchClient
from azure.batch.aio import BatchClient as AsyncBatchClient
from azure.core.credentials import AzureNamedKeyCredential

_PATIENCE = 30  # seconds for it to start and to end, on a busy machine
_FACTS = re.compile(r"^(endpoint|account|key) +(\S+)$", re.MULTILINE)
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Controls:
    """Clock, faults and the other switches of the emulator at an endpoint."""

    endpoint: str

    def advance(self, duration: str) -> None:
        """Moves the emulated time by an ISO 8601 duration: `PT10M` is ten minutes."""
        self.admin("clock", {"advance": duration})

    def advance_until(self, holds: Callable[[], _Found | None], *, step: str = "PT5S", steps: int = 240) -> _Found:
        """Moves the emulated time in steps until `holds()` is true; returns what it returned. For speed 0.

        Raises AssertionError when it never is."""
        for _ in range(steps):
            if found := holds():
                return found
            self.advance(step)
        raise AssertionError(f"it did not come true in {steps} steps of {step}")

    def inject(self, kind: str, **rule: object) -> None:
        """From now on there is this fault too: a kind, and for whom and how often, as `pool="p", rate=0.1, times=3`.

        `GET /emulator/` of the endpoint lists the kinds."""
        self.admin("faults", {"kind": kind, **rule}, method="POST")

    def clear(self) -> None:
        """From now on there are no faults. What they did stays done."""
        self.admin("faults", method="DELETE")

    def admin(self, path: str, body: object = None, *, method: str | None = None) -> Any:  # noqa: ANN401 - any JSON
        """Calls `/emulator/{path}`: PUT with a body, else GET, unless `method` says otherwise. The answer's JSON.

        Raises ValueError with the emulator's words when it refuses."""
        method = method or ("GET" if body is None else "PUT")
        url = f"{self.endpoint}/emulator/{path}"
        answer = httpx.request(method, url, json=body, trust_env=False, timeout=60)
        if answer.status_code != 200:
            raise ValueError(f"The emulator refused {method} {path}: {answer.status_code} {answer.text}")
        return answer.json()


@dataclass(frozen=True)
class Emulator(Controls):
    """A running emulator: its one account, its process, and the file that has what it said."""

    account: str
    key: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def said(self) -> str:
        """What it wrote so far, to both outputs."""
        return self.log.read_text(errors="replace")

    def credential(self) -> AzureNamedKeyCredential:
        return AzureNamedKeyCredential(self.account, self.key)

    def client(self, **options: Any) -> BatchClient:  # noqa: ANN401 - the SDK's own
        """The SDK's client, to be closed; options are the SDK's own."""
        return BatchClient(self.endpoint, self.credential(), **options)

    def aio_client(self, **options: Any) -> AsyncBatchClient:  # noqa: ANN401 - the SDK's own
        """The SDK's asynchronous client, to be closed."""
        return AsyncBatchClient(self.endpoint, self.credential(), **options)


@contextmanager
def running_emulator(
    *,
    speed: float = 1.0,
    executor: str = "simulated",
    state: Path | None = None,
    seed: int = 0,
    port: int = 0,
    **options: object,
) -> Iterator[Emulator]:
    """Starts it and stops it at the end. More options are those of its command line: `pools=1` is `--pools 1`.

    Raises RuntimeError with what it said when it does not start."""
    # Not from the working directory, where a file may have the name of a library.
    command = [sys.executable, "-P", "-m", "azure_batch_emulator", "--port", str(port), "--speed", str(speed)]
    command += ["--executor", executor, "--seed", str(seed)]
    command += ["--state", str(state)] if state else []
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    with tempfile.TemporaryDirectory(prefix="batch-emulator-") as folder:
        log = Path(folder) / "output.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: S603 - this package
        try:
            facts = _facts(process, log)
            yield Emulator(facts["endpoint"], facts["account"], facts["key"], process, log)
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def _facts(process: "subprocess.Popen[bytes]", log: Path) -> dict[str, str]:
    deadline = time.monotonic() + _PATIENCE
    while True:
        text = log.read_text(errors="replace")
        facts = dict(_FACTS.findall(text))
        if len(facts) == 3 and "Ctrl-C" in text:
            return facts
        if process.poll() is not None:
            raise RuntimeError(f"The emulator ended with {process.returncode}:\n{text}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"The emulator did not start in {_PATIENCE} s:\n{text}")
        time.sleep(0.02)
