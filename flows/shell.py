"""Runs a flow from a shell."""

import asyncio
import logging
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from prefect.exceptions import FailedRun
from prefect.logging.configuration import setup_logging
from prefect.logging.handlers import PrefectConsoleHandler
from prefect.settings import (
    PREFECT_SERVER_ANALYTICS_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from tasks.errors import EtlError
from tasks.settings import load_settings

_Result = TypeVar("_Result")
_INTERRUPTED = 130  # the status by which shells know a program that Ctrl-C ended
_SETTINGS = {
    # A temporary server that reports its start competes with its own migrations for the database.
    PREFECT_SERVER_ANALYTICS_ENABLED: False,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 120,  # on a busy machine the default is too short
}


def run_in_shell(run: Coroutine[Any, Any, _Result]) -> _Result:
    """What the flow returns, on a temporary Prefect API where none is configured. Exits with the reason if it fails."""
    try:
        with exit_with_reason():
            load_settings()  # wrong ones need not wait for a server
            with temporary_settings(_SETTINGS), _without_tracebacks():
                return asyncio.run(run)
    finally:
        run.close()


@contextmanager
def exit_with_reason() -> Iterator[None]:
    """Turns errors of ours, failed runs and Ctrl-C into the end of the program, in words."""
    try:
        yield
    except (EtlError, FailedRun) as error:
        raise SystemExit(f"\n{error}") from None
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. Start it again with the same arguments: it does what is missing.\n")
        raise SystemExit(_INTERRUPTED) from None


@contextmanager
def _without_tracebacks() -> Iterator[None]:
    """On the terminal an error of ours is its message; the API has where it was raised."""
    setup_logging()
    consoles = [h for h in logging.getLogger().handlers if isinstance(h, PrefectConsoleHandler)]
    for console in consoles:
        console.addFilter(_without_traceback)
    try:
        yield
    finally:
        for console in consoles:
            console.removeFilter(_without_traceback)


def _without_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], EtlError):
        record.exc_info = record.exc_text = None
    return True
