"""How a call to the service is tried again: what an error means, and how long to wait.

The SDK's own repetition is switched off, for it gives up on a throttled POST at once, and after seconds elsewhere
(azure-core does not retry POST 429 without Retry-After). All our calls may be repeated: ids are chosen here."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from prefect_azure_batch.service.errors import AzureBatchError, OutOfTime, Refused, ServiceError, Unreachable

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

T = TypeVar("T")
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class RetryPolicy:
    """`deadline` in seconds since the first try; waits double from `first` to `longest`, less up to a quarter."""

    deadline: float
    first: float = 0.5
    longest: float = 60
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], float] = time.monotonic
    # Only spreads the waits of many workers.
    jitter: Callable[[], float] = field(default=random.random)

    def wait(self, tries: int, retry_after: float | None) -> float:
        """Seconds before the next try, never less than what the service asked for."""
        usual = min(self.first * 2.0 ** min(tries, 16), self.longest) * (1 - self.jitter() / 4)
        return max(usual, retry_after or 0.0)


async def call_with_retries(
    what: str, request: Callable[[], Awaitable[T]], retry_policy: RetryPolicy, heard: Callable[[], None] = lambda: None
) -> T:
    """The request's answer. `heard` is called whenever the service answered, be it with an error.

    Raises Refused at once; OutOfTime, caused by the last error, when the deadline has passed.
    """
    begin, tries = retry_policy.now(), 0
    while True:
        try:
            answer = await request()
        except Exception as error:
            problem = explain(what, error)
            if isinstance(problem, ServiceError):
                heard()
            if isinstance(problem, Refused):
                raise problem from error
            if not isinstance(problem, (ServiceError, Unreachable)):
                raise
        else:
            heard()
            return answer
        pause = retry_policy.wait(tries, getattr(problem, "retry_after", None))
        if retry_policy.now() - begin + pause > retry_policy.deadline:
            raise OutOfTime(
                f"Azure Batch could not {what} within {retry_policy.deadline:g} seconds. The last answer: {problem}"
            ) from problem
        await retry_policy.sleep(pause)
        tries += 1


def explain(what: str, error: Exception) -> AzureBatchError | Exception:
    """What an exception of the SDK means, by the service's code: its class says less (a full quota is `exists`)."""
    from azure.core import exceptions as core  # noqa: PLC0415

    if isinstance(error, AzureBatchError):
        return error
    if isinstance(error, core.HttpResponseError) and error.status_code:
        return _answer(what, error)
    if isinstance(error, core.ClientAuthenticationError):
        return Refused(what, 401, "AuthenticationFailed", f"{error.message} Check the credentials block.")
    transport = (core.ServiceRequestError, core.ServiceResponseError, core.HttpResponseError, core.DecodeError)
    if isinstance(error, (*transport, TimeoutError, ConnectionError, OSError)):
        return Unreachable(f"Azure Batch could not {what}: no answer: {type(error).__name__}: {error}")
    return error


def _answer(what: str, error: "HttpResponseError") -> ServiceError:
    status = int(error.status_code or 0)
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    body = error.error  # None for HEAD, and for what is not JSON
    code = (body.code if body else None) or headers.get("x-ms-error-code", "")
    text = (body.message if body else None) or error.reason or ""
    # The service appends lines with the request's id and its time.
    message = str(text).split("\nRequestId:")[0].strip()
    values = {item.code or "": item.message or "" for item in (body.details if body else [])}
    kind = ServiceError if status in TRANSIENT_STATUS else Refused
    return kind(what, status, code, message, values=values, retry_after=_retry_after(headers))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, which the header gives as such or as a date."""
    if milliseconds := headers.get("x-ms-retry-after-ms") or headers.get("retry-after-ms"):
        return float(milliseconds) / 1000
    text = headers.get("Retry-After")
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
