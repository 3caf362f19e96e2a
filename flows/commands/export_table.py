"""`python -m flows.export_table`: the answer to a SQL query as a file of the lake, from a shell."""

import argparse
import json
from pathlib import Path
from typing import get_args

from flows.starting.command_line import exit_with_reason, read_options, show
from tasks.choices import FileFormat


def main() -> int:
    """The flow, on a temporary Prefect API where none is configured. Shows what was exported."""
    options = read_options(_parser())
    with exit_with_reason():
        _check(options)
        from flows.export_table import export_table, exported_markdown  # noqa: PLC0415
        from flows.starting.shell import run_in_shell  # noqa: PLC0415

        parameters, types = dict(options.parameter), dict(options.type)
        run = export_table(options.name, options.query, parameters, options.format, types, options.warehouse)
        show(exported_markdown(run_in_shell(run)))
    return 0


def _check(options: argparse.Namespace) -> None:
    """Needs polars, but not Prefect. Raises ConfigurationError for what the flow would refuse."""
    from tasks.database.types import read_types  # noqa: PLC0415
    from tasks.lake.exports import check_name  # noqa: PLC0415

    check_name(options.name)
    read_types(dict(options.type))


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
