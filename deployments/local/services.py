"""What the stack is made of: the command, the address and the environment of each service."""

import base64
import os
import socket
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, fields
from pathlib import Path

from deployments.local.azurite import command as azurite_command
from deployments.local.programs import Program, StackError

PROJECT = Path(__file__).parents[2]

# Azurite's account, which its documentation tells everybody:
# https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

BATCH_ACCOUNT = "localbatch"
BATCH_KEY = base64.b64encode(b"Everybody knows this key of the Batch emulator: use it nowhere.").decode()

WORK_POOL = "etl"
LAKE_BLOCK = "local-lake"


@dataclass(frozen=True)
class Ports:
    """The ports of the loopback interface that programs listen on."""

    prefect: int = 4200
    azurite: int = 10000
    batch: int = 10100
    market: int = 8099
    postgres: int = 15432

    def check(self, unused: frozenset[str]) -> None:
        """Raises StackError for one that somebody listens on."""
        for port in fields(self):
            number = getattr(self, port.name)
            if port.name not in unused and _is_taken(number):
                raise StackError(
                    f"Port {number}, for {port.name}, is taken. Stop what listens there, or choose another one: "
                    f"--{port.name}-port NUMBER"
                )


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def prefect_server(state: Path, port: int) -> Program:
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    api = f"http://127.0.0.1:{port}/api"
    environment = {
        "PREFECT_HOME": str(state / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_API_URL": api,  # else the UI asks the usual port, or PREFECT_API_URL, whatever is there
    }
    return Program("Prefect server", command, lambda: answers(f"{api}/health"), environment)


def azurite(state: Path, port: int) -> Program:
    """Raises StackError where Azurite is not here and cannot be installed."""
    folder = state / "azurite"
    folder.mkdir(parents=True, exist_ok=True)
    command = azurite_command("--blobPort", str(port), "--location", folder)
    return Program("Azurite", command, lambda: answers(f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}"))


def connection_string(port: int) -> str:
    """What opens the storage account that Azurite is."""
    account = f"AccountName={AZURITE_ACCOUNT};AccountKey={AZURITE_KEY}"
    return f"DefaultEndpointsProtocol=http;{account};BlobEndpoint=http://127.0.0.1:{port}/{AZURITE_ACCOUNT};"


def batch_emulator(state: Path, port: int, image: str | None) -> Program:
    """Runs tasks as processes, or in the image by the container tool that is here."""
    executor = "auto" if image else "processes"
    command = [sys.executable, "-m", "azure_batch_emulator", "--port", str(port), "--executor", executor]
    command += ["--account", BATCH_ACCOUNT, "--key", BATCH_KEY]
    # Tasks find this Python as `python`.
    environment = {"PATH": search_path()}
    return Program(
        "Batch emulator",
        [*command, "--state", str(state / "batch")],
        lambda: answers(f"http://127.0.0.1:{port}/emulator/state"),
        environment,
    )


def sample_market(port: int) -> Program:
    command = [sys.executable, "-m", "tasks.extract.sample_market", "--port", str(port), "--codes", "500"]
    return Program("Sample market", command, lambda: answers(f"http://127.0.0.1:{port}/"))


def worker(api: str, pool: str) -> Program:
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--name", "local"]
    return Program("Worker", command, None, {"PREFECT_API_URL": api, "PREFECT_WORKER_QUERY_SECONDS": "2"})


def search_path() -> str:
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def answers(url: str) -> bool:
    """Any answer of HTTP will do."""
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - of the loopback interface
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
