"""`azure-batch-emulator`: an Azure Batch account on this machine."""

import argparse
import base64
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from azure_batch_emulator.control.quotas import Quotas
from azure_batch_emulator.execution.executor_choice import EXECUTORS
from azure_batch_emulator.server import BEARER_CHECKS, PUBLIC_KEY, Settings, listen, serve, url

_FACTS = """\
endpoint {endpoint}
account  {account}
key      {key}
executor {executor}
"""
_EXAMPLE = """
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential

client = BatchClient("{endpoint}", AzureNamedKeyCredential("{account}", "{key}"))
print([pool.id for pool in client.list_pools()])
"""
_MORE = """
The page is at {endpoint}/, the emulator's own switches are under {endpoint}/emulator/. Ctrl-C stops it.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until it is interrupted; 1 when it could not begin, with the reason on stderr."""
    options = _parser().parse_args(arguments)
    try:
        sock = listen(options.host, options.port)
        settings = _settings(options)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    endpoint = url(options.host, sock.getsockname()[1])

    def ready(executor: str) -> None:
        text = _FACTS + ("" if settings.key is None else _EXAMPLE) + _MORE
        key = settings.key or "none"
        sys.stdout.write(text.format(endpoint=endpoint, account=settings.account, key=key, executor=executor))
        sys.stdout.flush()

    try:
        with sock:
            serve(settings, sock, ready)
    except (OSError, ValueError, sqlite3.Error) as error:
        sys.stderr.write(f"The emulator could not begin: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="azure-batch-emulator",
        description="An emulator of the Azure Batch data plane, API version 2025-06-01, for the azure-batch SDK.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=10100, help="port to listen on; 0 takes any that is free")
    parser.add_argument("--account", default="localbatch", help="name of the account")
    parser.add_argument("--key", type=_base64, default=PUBLIC_KEY, help="its shared key, in base64")
    parser.add_argument("--no-shared-key", action="store_true", help="refuse shared keys, as an account may")
    parser.add_argument("--bearer", choices=sorted(BEARER_CHECKS), default="audience", help="which tokens are accepted")
    parser.add_argument("--speed", type=float, default=1.0, help="emulated seconds per second; 0: time stands still")
    parser.add_argument("--state", type=Path, metavar="DIR", help="keep everything there, across restarts")
    parser.add_argument("--executor", choices=EXECUTORS, default="auto", help="what runs tasks")
    parser.add_argument(
        "--storage-key",
        action="append",
        default=[],
        type=_storage_key,
        metavar="NAME=KEY",
        help="a storage account that the identities of nodes may use, as often as needed; Azurite's own is known",
    )
    parser.add_argument("--auto-storage", metavar="URL", help="the storage account that is linked to the account")
    parser.add_argument(
        "--application",
        action="append",
        default=[],
        type=_application,
        metavar="ID[=VERSION,...]",
        help="an application that the account has, as often as needed",
    )
    parser.add_argument("--seed", type=int, default=0, help="of faults, node ids and simulated durations")
    for quota in fields(Quotas):
        name = f"--{quota.name.replace('_', '-')}"
        parser.add_argument(name, type=int, default=quota.default, help="quota of the account")
    return parser


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        raise argparse.ArgumentTypeError("a shared key is base64") from None
    return text


def _storage_key(text: str) -> tuple[str, str]:
    name, separator, key = text.partition("=")
    if not (name and separator and key):
        raise argparse.ArgumentTypeError("give the account's name, an equals sign and its key")
    return name, key


def _application(text: str) -> tuple[str, tuple[str, ...]]:
    name, _, versions = text.partition("=")
    if not name:
        raise argparse.ArgumentTypeError("give the application's id, then if you like an equals sign and its versions")
    return name, tuple(filter(None, versions.split(",")))


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        account=options.account,
        key=None if options.no_shared_key else options.key,
        bearer=options.bearer,
        speed=options.speed,
        state=options.state,
        executor=options.executor,
        seed=options.seed,
        storage_keys=dict(options.storage_key),
        auto_storage=options.auto_storage,
        applications=dict(options.application),
        quotas=Quotas(**{quota.name: getattr(options, quota.name) for quota in fields(Quotas)}),
    )


if __name__ == "__main__":
    sys.exit(main())
