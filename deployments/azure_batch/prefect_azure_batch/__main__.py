"""`prefect-azure-batch`: sets a work pool up, and says what is wrong with one."""

import argparse
import asyncio
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is well; 1 when a check fails, or when what was asked for cannot be done, with the reason."""
    options = _parser().parse_args(arguments)
    # Not before what was typed is checked: with Prefect and the SDKs of Azure they take seconds.
    import httpx  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    from prefect_azure_batch import commands  # noqa: PLC0415
    from prefect_azure_batch.service.errors import AzureBatchError  # noqa: PLC0415

    command = {"set": commands.set_variables, "storage": commands.storage, "doctor": commands.doctor}[options.command]
    try:
        return asyncio.run(command(options, Console(highlight=False, soft_wrap=options.command != "doctor")))
    except (AzureBatchError, OSError) as error:
        sys.stderr.write(f"{error}\n")
    except httpx.HTTPError as error:
        words = str(error).splitlines()[0] or type(error).__name__
        sys.stderr.write(f"The Prefect API did not answer as it should: {words}. See PREFECT_API_URL and its key.\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="prefect-azure-batch", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    setting = _command(commands, "set", "set defaults of the work pool's variables")
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
    storage = _command(commands, "storage", "configure where ad hoc runs leave code and results")
    storage.add_argument("--container", required=True, help="blob container, which is made where there is none")
    storage.add_argument(
        "--credentials-block", required=True, metavar="BLOCK", help="of the type azure-blob-storage-credentials"
    )
    storage.add_argument("--uv", action="store_true", help="run the steps by `uv run`, which installs what they need")
    _command(commands, "doctor", "check all that a run needs, and say what to do")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, what: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    parser.add_argument("--pool", required=True, metavar="NAME", help="the work pool")
    return parser


if __name__ == "__main__":
    sys.exit(main())
