"""Azurite for tests: Microsoft's emulator of Blob Storage, on a free port of the loopback, in memory.

`azurite` is a fixture, one per session: a `conftest.py` imports it. Tests that must not see each other's data take an
account of their own from it, or an emptied one.
"""

import base64
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobServiceClient

from deployments.local.azurite import command as azurite_command

PATIENCE = 60  # seconds for the server to start, on a busy machine
_LISTENING = re.compile(r"successfully listens on (\S+)")
_ACCOUNTS = 200
# https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
_KNOWN = "devstoreaccount1"
_KNOWN_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class StorageAccount:
    """`url` is a lake's, and `key` what opens it."""

    url: str
    name: str
    key: str


class Azurite:
    """A running server."""

    def __init__(self, url: str, accounts: dict[str, str]) -> None:
        self.url = url
        self._accounts = iter(accounts.items())

    def account(self) -> StorageAccount:
        """An account that nobody has used yet, with a key of its own."""
        name, key = next(self._accounts)
        return StorageAccount(f"{self.url}/{name}", name, key)

    def empty_lake(self) -> str:
        """The URL of the account whose key everybody knows, emptied: it opens with nothing else set."""
        account = StorageAccount(f"{self.url}/{_KNOWN}", _KNOWN, _KNOWN_KEY)
        with client(account) as service:
            for container in service.list_containers():
                service.delete_container(container.name)
        return account.url


def client(account: StorageAccount) -> BlobServiceClient:
    """The SDK's own, for what a test does behind the lake's back."""
    return BlobServiceClient(account.url, credential=AzureNamedKeyCredential(account.name, account.key))


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Fails where it cannot run: a lake that no blob server answered has not been tested."""
    with running_azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@contextmanager
def running_azurite(folder: Path, *options: str) -> Iterator[Azurite]:
    """Runs in an empty folder, with more options of its command line, and stops at the end."""
    accounts = {f"lake{n:03d}": base64.b64encode(secrets.token_bytes(64)).decode() for n in range(_ACCOUNTS)}
    known = ";".join(f"{name}:{key}" for name, key in {_KNOWN: _KNOWN_KEY, **accounts}.items())
    environment = os.environ | {"AZURITE_ACCOUNTS": known}
    command = azurite_command("--blobPort", "0", "--inMemoryPersistence", *options)
    log = folder / "output.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
        try:
            yield Azurite(_address(process, log), accounts)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while not (found := _LISTENING.search(log.read_text(errors="replace"))):
        output = log.read_text(errors="replace")
        assert process.poll() is None, f"Azurite ended with {process.returncode}:\n{output}"
        assert time.monotonic() < deadline, f"Azurite did not start in {PATIENCE} s:\n{output}"
        time.sleep(0.05)
    return found[1]
