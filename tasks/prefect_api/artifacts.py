"""Artifacts: what people are shown of a run, without which its data are as good."""

from collections.abc import Awaitable
from typing import TypeVar

import httpx
from prefect import get_run_logger

from tasks.prefect_api.failures import api_failure

_Kept = TypeVar("_Kept")


async def keep_artifact(artifact: Awaitable[_Kept]) -> _Kept | None:
    """What writes the artifact returns; None, with a warning in the log, where Prefect's API does not take it."""
    try:
        return await artifact
    except (httpx.HTTPError, RuntimeError) as error:
        told = api_failure(error)
        if told is None:
            raise
        get_run_logger().warning("An artifact is not kept, and the run goes on without it. %s", told)
        return None
