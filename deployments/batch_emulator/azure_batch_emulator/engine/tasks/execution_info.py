"""From what an executor hands back to what executionInfo says."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from azure_batch_emulator.execution.executor import Outcome, server_error, user_error
from azure_batch_emulator.protocol.call import JsonObject

logger = logging.getLogger(__name__)


def outcome_of_run(run: "asyncio.Task[Any]", what: str) -> Outcome | None:
    """What the run returned; a failure of the executor itself is told as the service's. None: it was cancelled."""
    if run.cancelled():
        return None
    error = run.exception()
    if error is None:
        result: Outcome | None = run.result()
        return result
    logger.error("The executor failed on %s.", what, exc_info=error)
    return Outcome(None, server_error("TaskExecutionFailed", f"The executor failed: {error!r}"))


async def retried(
    attempt: Callable[[], Awaitable[Outcome]], info: JsonObject, most: int, now: Callable[[], str]
) -> Outcome:
    """Of the last attempt: an exit code other than 0 is tried again so often, without end for -1, and counted."""
    outcome = await attempt()
    while outcome.exit_code and (most == -1 or info["retryCount"] < most):
        info["retryCount"] += 1
        info["lastRetryTime"] = now()
        outcome = await attempt()
    return outcome


def record(info: JsonObject, outcome: Outcome, now: str) -> None:
    failure = outcome.failure
    if failure is None and outcome.exit_code != 0:
        failure = user_error("FailureExitCode", "The task process exited with an unexpected exit code")
    info["endTime"] = now
    info["result"] = "failure" if failure else "success"
    given = {"exitCode": outcome.exit_code, "containerInfo": outcome.container_info, "failureInfo": failure}
    info.update({name: value for name, value in given.items() if value is not None})
