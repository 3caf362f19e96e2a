"""The Batch emulator for tests: in a process of its own, on a free port, and the real SDK to talk to it.

with running_emulator(speed=60, executor="simulated") as emulator:
    with emulator.client() as client:
        client.create_pool(...)
    emulator.admin("clock", {"advance": "PT10M"})
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
from typing import Any

import httpx
from azure.batch import BatchClient
from azure.batch.aio import BatchClient as AsyncBatchClient
from azure.core.credentials import AzureNamedKeyCredential

PATIENCE = 30  # seconds for it to start, on a busy machine
_FACTS = re.compile(r"^(endpoint|account|key) +(\S+)$", re.MULTILINE)
_PROJECT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Emulator:
    """A running emulator."""

    endpoint: str
    account: str
    key: str
    process: "subprocess.Popen[bytes]"
    log: Path | None = None

    def said(self) -> str:
        """What it wrote so far, to both outputs."""
        return "" if self.log is None else self.log.read_text(errors="replace")

    def credential(self) -> AzureNamedKeyCredential:
        return AzureNamedKeyCredential(self.account, self.key)

    def client(self, **options: Any) -> BatchClient:
        """The SDK's client, to be closed; options are the SDK's own."""
        return BatchClient(self.endpoint, self.credential(), **options)

    def aio_client(self, **options: Any) -> AsyncBatchClient:
        """The SDK's asynchronous client, to be closed."""
        return AsyncBatchClient(self.endpoint, self.credential(), **options)

    def admin(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        """Calls `/emulator/{path}`: PUT with a body, else GET, unless `method` says otherwise. The answer's JSON."""
        answer = httpx.request(
            method or ("GET" if body is None else "PUT"),
            f"{self.endpoint}/emulator/{path}",
            json=body,
            trust_env=False,
            timeout=60,
        )
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def advance(self, duration: str) -> None:
        """Moves the emulated time by an ISO 8601 duration."""
        self.admin("clock", {"advance": duration})

    def advance_until(self, holds: Callable[[], Any], *, step: str = "PT5S", steps: int = 240) -> Any:
        """Moves the emulated time in steps until `holds()` is true; returns what it returned. For speed 0."""
        for _ in range(steps):
            if found := holds():
                return found
            self.advance(step)
        raise AssertionError(f"it did not come true in {steps} steps of {step}")


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
    """Starts it and stops it at the end. More options are those of its command line: `pools=1` is `--pools 1`."""
    command = [sys.executable, "-m", "deployments.local.batch_emulator", "--port", str(port), "--speed", str(speed)]
    command += ["--executor", executor, "--seed", str(seed)]
    command += ["--state", str(state)] if state else []
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    with tempfile.TemporaryDirectory(prefix="batch-emulator-") as folder:
        log = Path(folder) / "output.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=_PROJECT)
        try:
            facts = _facts(process, log)
            yield Emulator(facts["endpoint"], facts["account"], facts["key"], process, log)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _facts(process: "subprocess.Popen[bytes]", log: Path) -> dict[str, str]:
    deadline = time.monotonic() + PATIENCE
    while True:
        text = log.read_text(errors="replace")
        facts = dict(_FACTS.findall(text))
        if len(facts) == 3 and "Ctrl-C" in text:
            return facts
        assert process.poll() is None, f"the emulator ended with {process.returncode}:\n{text}"
        assert time.monotonic() < deadline, f"the emulator did not start in {PATIENCE} s:\n{text}"
        time.sleep(0.02)
