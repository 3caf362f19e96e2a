"""What the command lines of all flows share. Nothing heavy is imported here."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tasks.errors import EtlError
from tasks.settings import load_settings

_Model = TypeVar("_Model", bound=BaseModel)
_INTERRUPTED = 130  # the status by which shells know a program that Ctrl-C ended


def read_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What was typed. Ends the program where that makes no sense, or the settings do not."""
    options = parser.parse_args()
    with exit_with_reason():
        load_settings()
    return options


@contextmanager
def exit_with_reason() -> Iterator[None]:
    """Turns errors of ours and Ctrl-C into the end of the program, in words."""
    try:
        yield
    except EtlError as error:
        raise SystemExit(f"\n{error}") from None
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. Start it again with the same arguments: it does what is missing.\n")
        raise SystemExit(_INTERRUPTED) from None


def yesterday() -> date:
    return datetime.now(UTC).date() - timedelta(days=1)


def day(text: str) -> date:
    """The type of an argument that is a date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day. Days are written YYYY-MM-DD") from None


def one_or_more(text: str) -> int:
    """The type of an argument that counts something."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def read_fields(parser: argparse.ArgumentParser, options: argparse.Namespace, model: type[_Model]) -> _Model:
    """The model whose fields are options of the parser. Ends the program where a value is none that a field takes."""
    given = {name: value for name in model.model_fields if (value := getattr(options, name)) is not None}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        parser.error("; ".join(f"--{str(e['loc'][0]).replace('_', '-')}: {e['msg']}" for e in error.errors()))


def show(markdown: str) -> None:
    from rich.console import Console  # noqa: PLC0415 - --help shows nothing by it
    from rich.markdown import Markdown  # noqa: PLC0415

    Console().print(Markdown(markdown))
