"""A run that can be resumed ends as *Resumable*, or with patience gives its node back and is handed out again later.

How long it may go on so is the setting ETL_PATIENCE_HOURS, which `prefect.yaml` gives to its deployments.
"""

import functools
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from prefect import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import SetStateStatus
from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.states import AwaitingRetry, Failed

from tasks.errors import QuotaExhausted, TransientError
from tasks.settings import load_settings

_P = ParamSpec("_P")
_R = TypeVar("_R")
_WAITS = tuple(timedelta(minutes=minutes) for minutes in (15, 30, 60))  # before each attempt; the last, time and again
_AFTER_RESET = timedelta(minutes=5)  # another clock may be behind


def resumable(flow: Callable[_P, Coroutine[Any, Any, _R]]) -> Callable[_P, Coroutine[Any, Any, _R]]:
    """Stands below `@flow`: what trying again later may help is how the run ends, and not an error of it."""

    @functools.wraps(flow)
    async def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return await flow(*args, **kwargs)
        except (QuotaExhausted, TransientError) as error:
            await _hand_back(_this_run(), error)
            return Failed(name="Resumable", message=str(error))  # type: ignore[return-value]  # the run's state

    return run


def began() -> datetime:
    """When the present run began (UTC), in whichever attempt; never later than this machine's clock has it."""
    now = datetime.now(UTC)  # by which answers are dated: one that is behind has fetched nothing too early
    start = _this_run().start_time
    # Prefect's is no plain datetime: it warns of what it does in other ways.
    return min(datetime.fromtimestamp(start.timestamp(), UTC), now) if start else now


def next_attempt(
    error: QuotaExhausted | TransientError, now: datetime, first: datetime, attempts: int, patience: timedelta
) -> datetime | None:
    """When a run is tried again that began `first` and has had so many attempts; None where its patience ends before.

    A quarter of an hour later, then half an hour, then every hour; or when the other side said."""
    wait = _WAITS[min(attempts, len(_WAITS)) - 1]
    if error.retry_after is not None:
        wait = max(wait, timedelta(seconds=error.retry_after) + _AFTER_RESET)
    later = now + wait
    return later if later <= first + patience else None


async def _hand_back(run: FlowRun, error: QuotaExhausted | TransientError) -> None:
    """Schedules the run for later and leaves it, by raising Pause; does neither where its patience is at an end.

    Only a run of a deployment is handed out again. One that another run has started, and waits for, leaves it to that.
    """
    if run.deployment_id is None or run.parent_task_run_id is not None:
        return
    patience = timedelta(hours=load_settings().patience_hours)
    later = next_attempt(error, datetime.now(UTC), began(), run.run_count, patience)
    if later is None:
        return
    end = began() + patience
    message = f"{error} It goes on by itself at {later:%Y-%m-%d %H:%M} UTC, and tries until {end:%Y-%m-%d %H:%M} UTC."
    async with get_client() as client:
        # Not returned: Prefect takes for final what a flow returns, and a process that ends so for a crash.
        state: State = AwaitingRetry(scheduled_time=later, message=message)
        done = await client.set_flow_run_state(run.id, state)
    if done.status == SetStateStatus.ACCEPT:
        raise Pause(message, state=done.state)


def _this_run() -> FlowRun:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("A resumable function runs below @flow.")
    return context.flow_run
