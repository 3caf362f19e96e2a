"""`python -m deployments.azure_batch`: sets a work pool up, and says what is wrong with one."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import get_client
from rich.console import Console

from deployments.azure_batch.assignments import from_json, parse
from deployments.azure_batch.configuration import variables_schema
from deployments.azure_batch.defaults import defaults_of, set_defaults
from deployments.azure_batch.doctor import examine, show
from deployments.azure_batch.errors import AzureBatchError
from deployments.azure_batch.storage import configure_storage

Command = Callable[[argparse.Namespace, Console], Coroutine[Any, Any, int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is well; 1 when a check fails, or when what was asked for cannot be done, with the reason."""
    options = _parser().parse_args(arguments)
    command: Command = options.run
    try:
        return asyncio.run(command(options, Console(highlight=False, soft_wrap=options.command != "doctor")))
    except (AzureBatchError, OSError) as error:
        sys.stderr.write(f"{error}\n")
    except httpx.HTTPError as error:
        words = str(error).splitlines()[0] or type(error).__name__
        sys.stderr.write(f"The Prefect API did not answer as it should: {words}. See PREFECT_API_URL and its key.\n")
    return 1


async def _set(options: argparse.Namespace, console: Console) -> int:
    schema = variables_schema()
    assignments = from_json(_read(options.json), schema) if options.json else []
    assignments += [parse(text, schema) for text in options.assignments]
    async with get_client() as client:
        template = await set_defaults(client, options.pool, assignments, create=options.create)
    names = dict.fromkeys(one.variable for one in assignments)
    given = defaults_of(template)
    console.print(f"Work pool {options.pool} is up to date. Its defaults are set:", markup=False)
    console.print(", ".join(name for name in names if name in given) or "none", markup=False)
    return 0


async def _storage(options: argparse.Namespace, console: Console) -> int:
    async with get_client() as client:
        await configure_storage(client, options.pool, options.container, options.credentials_block, uv=options.uv)
    console.print(f"Ad hoc runs of work pool {options.pool} go through the container {options.container}.")
    return 0


async def _doctor(options: argparse.Namespace, console: Console) -> int:
    findings = await examine(options.pool)
    show(findings, console)
    return 1 if any(finding.result == "failed" for finding in findings) else 0


def _read(path: str) -> str:
    return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployments.azure_batch", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    setting = _command(commands, "set", _set, "set defaults of the work pool's variables")
    setting.add_argument(
        "assignments",
        nargs="*",
        metavar="NAME[.KEY]=VALUE",
        help="text or JSON; nothing after = takes the default away; credentials=BLOCK names a block",
    )
    setting.add_argument(
        "--json", metavar="FILE", help="an object of variables, or an ARM deployment's outputs; - reads it"
    )
    setting.add_argument("--create", action="store_true", help="make the work pool where there is none")
    storage = _command(commands, "storage", _storage, "configure where ad hoc runs leave code and results")
    storage.add_argument("--container", required=True, help="blob container, which is made where there is none")
    storage.add_argument(
        "--credentials-block", required=True, metavar="BLOCK", help="of the type azure-blob-storage-credentials"
    )
    storage.add_argument("--uv", action="store_true", help="run the steps by `uv run`, which installs what they need")
    _command(commands, "doctor", _doctor, "check all that a run needs, and say what to do")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: Command, what: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    parser.add_argument("--pool", required=True, metavar="NAME", help="the work pool")
    parser.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
