"""A SQL query becomes a Parquet or CSV file in the lake.

`.dev/python -m flows.export_table --help` runs it from a shell.
"""

if __name__ == "__main__":  # what was typed is checked before Prefect is imported, which takes seconds
    from flows.commands.export_table import main

    raise SystemExit(main())

import asyncio
import time
from collections.abc import Iterator, Mapping
from logging import Logger, LoggerAdapter
from typing import Any, cast

import polars as pl
from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.blocks.system import Secret
from prefect.runtime import flow_run
from pydantic import SecretStr

from flows.starting.resumable import resumable
from tasks.choices import FileFormat
from tasks.database import open_stream, url_of
from tasks.database.types import read_types, typed
from tasks.errors import ConfigurationError
from tasks.lake import configured_lake
from tasks.lake.exports import Exported, check_name, publish_export
from tasks.prefect_api.artifacts import keep_artifact
from tasks.redaction import redact
from tasks.settings import load_settings

_SECONDS_BETWEEN_LINES = 5.0


@flow(name="export-table")
@resumable
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
    await keep_artifact(
        acreate_markdown_artifact(
            exported_markdown(exported), key=f"export-{name.lower().replace('_', '-')}", description=query
        )
    )
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

    def export(place: str, url: SecretStr) -> Exported:
        with url_of(place), open_stream(url) as stream:
            rows = (typed(frame, types) for frame in stream(query, parameters))
            return publish_export(lake, name, file_format, _logged(rows, logger), run)

    exported = await asyncio.to_thread(export, *await _url(warehouse))
    text = "%d rows: %s" if exported.changed else "%d rows, the same as before: %s"
    logger.info(text, exported.snapshot.rows, exported.location)
    return exported


async def _url(warehouse: str | None) -> tuple[str, SecretStr]:
    """Where the URL is from, and the URL."""
    if not warehouse:
        return "ETL_WAREHOUSE_URL", load_settings().warehouse_url
    if "://" not in warehouse:
        return f"the Secret block {warehouse}", await _in_block(warehouse)
    if redact(warehouse) != warehouse:
        raise ConfigurationError(
            "The URL of the warehouse has a password in it, which Prefect would keep and show with the run. Put the "
            "URL into a Secret block, and give the name of the block."
        )
    return "the parameter warehouse", SecretStr(warehouse)


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


def exported_markdown(exported: Exported) -> str:
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
