"""Failures of Prefect's API, in words: which address it was, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.settings import get_current_settings

from tasks.errors import AuthenticationError, EtlError, TransientError

_NO_TEMPORARY_SERVER = "Timed out while attempting to connect to ephemeral Prefect API server"


@contextmanager
def api_failures_told() -> Iterator[None]:
    """Raises AuthenticationError where Prefect's API refuses its credentials, TransientError where it is away."""
    try:
        yield
    except (httpx.HTTPError, RuntimeError) as error:
        told = api_failure(error)
        if told is None:
            raise
        raise told from error


def api_failure(error: BaseException) -> EtlError | None:
    """What a failure of Prefect's API means; None for any other error."""
    if _NO_TEMPORARY_SERVER in str(error):
        return TransientError(
            "The temporary Prefect server of this run did not start in time: this machine is too busy. Start it again, "
            "or set PREFECT_API_URL to a server that runs."
        )
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, httpx.RequestError | httpx.HTTPStatusError) and (api := _api_asked(cause)):
            return _told(cause, api)
        cause = cause.__cause__
    return None


def _told(cause: httpx.RequestError | httpx.HTTPStatusError, api: str) -> EtlError:
    if not isinstance(cause, httpx.HTTPStatusError):
        return TransientError(
            f"The Prefect API at {api} does not answer ({type(cause).__name__}). Is it running, and is PREFECT_API_URL "
            "right? What a run has stored stays, and is not done twice when it is started again."
        )
    status = cause.response.status_code
    if status in (401, 403):
        return AuthenticationError(
            f"The Prefect API at {api} refuses its credentials ({status}). Set PREFECT_API_AUTH_STRING, or for Prefect "
            "Cloud PREFECT_API_KEY, to those of this server."
        )
    return TransientError(f"The Prefect API at {api} answered {status}. Look at the log of the server; start it again.")


def _api_asked(error: httpx.RequestError | httpx.HTTPStatusError) -> str | None:
    """The address of the API that was asked; None where another server was: sources fail in the same ways."""
    try:
        asked = error.request.url
    except RuntimeError:  # none was made
        return None
    api = get_current_settings().api.url
    if api is None:  # then it is a temporary one
        return str(asked.join("/api")) if asked.host in ("127.0.0.1", "localhost") else None
    base = httpx.URL(api)
    return api if (asked.host, asked.port) == (base.host, base.port) else None
