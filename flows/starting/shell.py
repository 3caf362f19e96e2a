"""Runs a flow from a shell."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from prefect.exceptions import CancelledRun, CrashedRun, FailedRun, UnfinishedRun
from prefect.logging.configuration import setup_logging
from prefect.logging.handlers import PrefectConsoleHandler
from prefect.settings import (
    PREFECT_SERVER_ANALYTICS_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from flows.starting.command_line import exit_with_reason
from tasks.errors import EtlError
from tasks.prefect_api.failures import api_failure, api_failures_told
from tasks.settings import load_settings

_Result = TypeVar("_Result")
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
            with temporary_settings(_SETTINGS), _without_tracebacks(), api_failures_told():
                return asyncio.run(run)
    except (FailedRun, CrashedRun, CancelledRun, UnfinishedRun) as error:
        raise SystemExit(f"\n{error}") from None
    finally:
        run.close()


@contextmanager
def _without_tracebacks() -> Iterator[None]:
    """On the terminal an error of ours, or of the API, is its message; the API has where it was raised."""
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
    error = record.exc_info[1] if record.exc_info else None
    if error and (isinstance(error, EtlError) or api_failure(error)):
        record.exc_info = record.exc_text = None
    return True
