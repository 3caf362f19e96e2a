"""How a call to Prefect's API is tried again that must not be given up: what follows from it would be lost."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx

from prefect_azure_batch.service.errors import OutOfTime
from prefect_azure_batch.service.retry import TRANSIENT_STATUS, RetryPolicy
from prefect_azure_batch.settings import WorkerSettings

T = TypeVar("T")


async def ask_prefect(what: str, request: Callable[[], Awaitable[T]], settings: WorkerSettings) -> T:
    """The request's answer, whatever Prefect's client has to be asked for it; `request` may be repeated.

    Raises what the client raises when Prefect refuses; OutOfTime, caused by the last error, when Prefect's API was away
    or answered with errors of its own for as long as a submission waits.
    """
    retry_policy = RetryPolicy(settings.submission_seconds, settings.retry_seconds)
    begin, tries = retry_policy.now(), 0
    while True:
        try:
            return await request()
        except httpx.HTTPError as error:
            status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
            if status and status < 500 and status not in TRANSIENT_STATUS:
                raise
            if retry_policy.now() - begin > retry_policy.deadline:
                words = f"answered {status}" if status else f"did not answer ({type(error).__name__})"
                raise OutOfTime(
                    f"Prefect's API could not {what} within {retry_policy.deadline:g} seconds: in the end it {words}."
                ) from error
        await retry_policy.sleep(retry_policy.wait(tries, None))
        tries += 1
