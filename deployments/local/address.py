"""Where all of the stack is: for the work pool, for a shell, and for whoever has started it."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.local.postgres import warehouse_url
from deployments.local.services import AZURITE_ACCOUNT, LAKE_BLOCK, Ports, connection_string


@dataclass(frozen=True)
class Address:
    """Where that which was started is found."""

    prefect: str  # of the API
    batch: str
    storage: str  # the connection string of the storage account
    environment: Mapping[str, str]  # of the flow runs; no secret
    image: str | None = None


def address_of(state: Path, ports: Ports, *, postgres: bool, image: str | None) -> Address:
    sqlite = f"sqlite:///{state / 'warehouse.sqlite'}"
    environment = {
        "ETL_LAKE_URL": f"http://127.0.0.1:{ports.azurite}/{AZURITE_ACCOUNT}",
        "ETL_LAKE_CREDENTIALS_BLOCK": LAKE_BLOCK,
        "ETL_WAREHOUSE_URL": warehouse_url(ports.postgres) if postgres else sqlite,
        "ETL_SOURCE_URL": f"http://127.0.0.1:{ports.market}/api",
        "ETL_SOURCE_REQUESTS_PER_MINUTE": "0",
        "ETL_DASHBOARD_PATH": str(state / "dashboard.html"),
    }
    return Address(
        prefect=f"http://127.0.0.1:{ports.prefect}/api",
        batch=f"http://127.0.0.1:{ports.batch}",
        storage=connection_string(ports.azurite),
        environment=environment,
        image=image,
    )


def greeting(address: Address, state: Path, logs: Path) -> str:
    """What to open, and what to type next. Writes the file that is to be sourced."""
    return f"""
[bold]Production runs on this machine.[/bold] Ctrl-C stops it.

Prefect UI       {address.prefect.removesuffix("/api")}
Batch emulator   {address.batch}
Blob storage     {address.environment["ETL_LAKE_URL"]}
Warehouse        {address.environment["ETL_WAREHOUSE_URL"]}
Dashboard        {address.environment["ETL_DASHBOARD_PATH"]}, after the first run
Logs             {logs}

In another terminal, or where you start what opens flows/notebooks:

    . {shlex.quote(str(_write_environment(state, address)))}
    prefect deployment run 'market-prices/weekly' --watch
"""


def _write_environment(state: Path, address: Address) -> Path:
    """What a shell needs to work with the stack, to be sourced. No secret: the lake's key is in a Prefect block."""
    variables = {"PREFECT_API_URL": address.prefect, **address.environment}
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    lines.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"\n')
    path = state / "environment"
    path.write_text("".join(lines), encoding="utf-8", newline="\n")
    return path
