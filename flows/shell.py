"""Runs a flow from a shell."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from prefect.exceptions import FailedRun
from prefect.settings import (
    PREFECT_SERVER_ANALYTICS_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from tasks.errors import EtlError

_Result = TypeVar("_Result")
_SETTINGS = {
    # A temporary server that reports its start competes with its own migrations for the database.
    PREFECT_SERVER_ANALYTICS_ENABLED: False,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 120,  # on a busy machine the default is too short
}


def run_in_shell(run: Coroutine[Any, Any, _Result]) -> _Result:
    """What the flow returns, on a temporary Prefect API where none is configured. Exits with the reason if it fails."""
    try:
        with temporary_settings(_SETTINGS):
            return asyncio.run(run)
    except (EtlError, FailedRun) as error:
        raise SystemExit(f"\n{error}") from None
