"""What a check has found, and the table that shows it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

Result = Literal["passed", "warning", "failed", "skipped"]
_COLOURS = {"passed": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


@dataclass(frozen=True)
class Finding:
    """`found` is what there is, `advice` what to do; nothing has to be done when it is empty."""

    check: str
    result: Result
    found: str
    advice: str = ""


def passed(check: str, found: str) -> Finding:
    return Finding(check, "passed", found)


def warning(check: str, found: str, advice: str) -> Finding:
    """Runs may go well all the same."""
    return Finding(check, "warning", found, advice)


def failed(check: str, found: str, advice: str) -> Finding:
    """Runs cannot go well."""
    return Finding(check, "failed", found, advice)


def skipped(check: str, found: str) -> Finding:
    """It does not apply, or what it needs has failed."""
    return Finding(check, "skipped", found)


def show(findings: Iterable[Finding], console: Console) -> None:
    table = Table("check", "result", show_lines=True)
    for column in ("found", "what to do"):
        table.add_column(column, overflow="fold")  # what is cut off cannot be typed
    for one in findings:
        # As text: what a service says is no markup.
        table.add_row(one.check, Text(one.result, _COLOURS[one.result]), Text(one.found), Text(one.advice))
    console.print(table)
