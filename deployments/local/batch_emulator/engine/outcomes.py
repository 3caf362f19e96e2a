"""From what an executor hands back to what executionInfo says."""

import asyncio
import logging
from typing import Any

from deployments.local.batch_emulator.call import JsonObject
from deployments.local.batch_emulator.execution.launch import Outcome, server_error, user_error

logger = logging.getLogger(__name__)


def outcome_of(run: "asyncio.Task[Any]", what: str) -> Outcome | None:
    """What the run returned; a failure of the executor itself is told as the service's. None: it was cancelled."""
    if run.cancelled():
        return None
    error = run.exception()
    if error is None:
        result: Outcome | None = run.result()
        return result
    logger.error("The executor failed on %s.", what, exc_info=error)
    return Outcome(None, server_error("TaskExecutionFailed", f"The executor failed: {error!r}"))


def record(info: JsonObject, outcome: Outcome, now: str) -> None:
    failure = outcome.failure
    if failure is None and outcome.exit_code != 0:
        failure = user_error("FailureExitCode", "The task process exited with an unexpected exit code")
    info["endTime"] = now
    info["result"] = "failure" if failure else "success"
    given = {"exitCode": outcome.exit_code, "containerInfo": outcome.container_info, "failureInfo": failure}
    info.update({name: value for name, value in given.items() if value is not None})
