"""A SQL query becomes a Parquet or CSV file in the lake.

`.dev/python -m flows.export_table --help` runs it from a shell.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from logging import Logger, LoggerAdapter
from pathlib import Path
from typing import Any, cast, get_args

import polars as pl
from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.blocks.system import Secret
from prefect.runtime import flow_run
from pydantic import SecretStr
from rich.console import Console
from rich.markdown import Markdown

from flows.shell import run_in_shell
from tasks.database import open_stream
from tasks.database.types import read_types, typed
from tasks.errors import ConfigurationError, redact
from tasks.lake import configured_lake
from tasks.lake.encoding import FileFormat
from tasks.lake.exports import Exported, check_name, publish_export
from tasks.settings import load_settings

_SECONDS_BETWEEN_LINES = 5.0


@flow(name="export-table")
async def export_table(
    name: str,
    query: str,
    parameters: dict[str, Any] | None = None,
    format: FileFormat = "parquet",  # noqa: A002 - what the form calls it
    types: dict[str, str] | None = None,
    warehouse: str | None = None,
) -> Exported:
    """The answer to a SQL query, as the file `published/exports/{name}` of the lake.

    Args:
        name: Of the export: letters, digits, - and _. The export of that name and format is replaced.
        query: A SELECT. It may change nothing. Values are written `:name`, and given as parameters.
        parameters: The value of each `:name`: a text, a number, true, false, null, or a list for `IN :name`.
        format: parquet keeps the types of the columns; csv is one text file.
        types: Columns that come in another type than is wanted, such as {"amount": "decimal(18, 4)", "day": "date"}.
        warehouse: The name of a Prefect Secret block that has its URL, or a URL without a password. Empty: the
            warehouse of ETL_WAREHOUSE_URL.
    """
    check_name(name)
    exported = await export_query(name, query, parameters or {}, format, read_types(types or {}), warehouse)
    await acreate_markdown_artifact(_told(exported), key=f"export-{name.lower().replace('_', '-')}", description=query)
    return exported


@task(task_run_name="export_query {name}")
async def export_query(
    name: str,
    query: str,
    parameters: Mapping[str, object],
    file_format: FileFormat,
    types: Mapping[str, pl.DataType],
    warehouse: str | None,
) -> Exported:
    """Streams the answer into the lake, where it becomes the current export once it is whole."""
    lake = configured_lake()
    logger = get_run_logger()
    run = str(flow_run.id)

    def export(url: SecretStr) -> Exported:
        with open_stream(url) as stream:
            rows = (typed(frame, types) for frame in stream(query, parameters))
            return publish_export(lake, name, file_format, _logged(rows, logger), run)

    exported = await asyncio.to_thread(export, await _url(warehouse))
    text = "%d rows: %s" if exported.changed else "%d rows, the same as before: %s"
    logger.info(text, exported.snapshot.rows, exported.location)
    return exported


async def _url(warehouse: str | None) -> SecretStr:
    if not warehouse:
        return load_settings().warehouse_url
    if "://" not in warehouse:
        return await _in_block(warehouse)
    if redact(warehouse) != warehouse:
        raise ConfigurationError(
            "The URL of the warehouse has a password in it, which Prefect would keep and show with the run. Put the "
            "URL into a Secret block, and give the name of the block."
        )
    return SecretStr(warehouse)


async def _in_block(name: str) -> SecretStr:
    try:
        block = await Secret.aload(name)
    except ValueError:
        raise ConfigurationError(
            f"There is no Secret block {name} on this Prefect API. Make one that has the URL of the warehouse, or "
            "leave `warehouse` empty for the one of ETL_WAREHOUSE_URL. `prefect block ls` lists those that are there."
        ) from None
    return SecretStr(str(cast("Secret[str]", block).get()))


def _logged(frames: Iterator[pl.DataFrame], logger: Logger | LoggerAdapter[Logger]) -> Iterator[pl.DataFrame]:
    """The frames; every few seconds it says how many rows they were."""
    rows, said = 0, time.monotonic()
    for frame in frames:
        rows += frame.height
        if time.monotonic() - said >= _SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            logger.info("%d rows so far", rows)
        yield frame


def _told(exported: Exported) -> str:
    snapshot = exported.snapshot
    columns = "".join(f"| {_cell(column)} | {dtype} |\n" for column, dtype in exported.columns.items())
    same = (
        ""
        if exported.changed
        else f" They are the same as on {snapshot.created:%Y-%m-%d %H:%M} UTC, so that file stays."
    )
    return (
        f"**{snapshot.rows:,} rows**, {snapshot.bytes:,} bytes, in `{exported.location}`.{same}\n\n"
        f"| column | type |\n|---|---|\n{columns}"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> None:
    """The flow from a shell, on a temporary Prefect API where none is configured. Status 1 and why, if it fails."""
    options = _parser().parse_args()
    run = export_table(
        options.name, options.query, dict(options.parameter), options.format, dict(options.type), options.warehouse
    )
    Console().print(Markdown(_told(run_in_shell(run))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.export_table", description="The answer to a SQL query, as a file of the lake."
    )
    parser.add_argument("name", help="of the export: letters, digits, - and _")
    parser.add_argument("query", type=_query, help="a SELECT, or @FILE that has it; values are written :name")
    parser.add_argument(
        "--parameter", action="append", default=[], type=_value, metavar="NAME=VALUE", help="JSON, or else a text"
    )
    parser.add_argument("--format", choices=get_args(FileFormat), default="parquet")
    parser.add_argument(
        "--type", action="append", default=[], type=_pair, metavar="COLUMN=TYPE", help="such as day=date"
    )
    parser.add_argument("--warehouse", help="a Secret block or URL; default: ETL_WAREHOUSE_URL")
    return parser


def _query(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"the file {text[1:]} cannot be read: {error}") from None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def _value(text: str) -> tuple[str, object]:
    name, value = _pair(text)
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


if __name__ == "__main__":
    main()
