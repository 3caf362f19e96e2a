"""Many GET requests at once, within a rate limit, retried while that may help. The only module that knows the HTTP client."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlencode

import aiohttp
import httpx
import stamina
from aiolimiter import AsyncLimiter
from httpx_aiohttp import AiohttpTransport

from tasks.errors import ConfigurationError, TransientError, redact

_Read = TypeVar("_Read")
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_HEADERS = {"accept": "application/json", "accept-encoding": "gzip, deflate", "user-agent": "prefect-on-azure-batch"}
_LONGEST_WAIT = 120.0  # seconds between two tries, unless the source asks for more


@dataclass(frozen=True)
class HttpLimits:
    """Connections at once, requests per minute (0: no limit), seconds to wait for bytes, tries, seconds before the second try."""

    connections: int
    per_minute: int
    timeout: float
    attempts: int
    retry_wait: float


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """An asynchronous context manager around one pool of connections."""

    def __init__(self, limits: HttpLimits) -> None:
        self._transport = AiohttpTransport(limits=httpx.Limits(max_connections=limits.connections))
        self._timeout = {"timeout": httpx.Timeout(limits.timeout, pool=None).as_dict()}
        # A second's worth at a time: a limiter of a minute's worth would let them all go at once.
        self._limiter = AsyncLimiter(max(1.0, limits.per_minute / 60), 1) if limits.per_minute else None
        self._paused_until = 0.0
        self._again = stamina.AsyncRetryingCaller(
            attempts=limits.attempts - 1,
            timeout=None,
            wait_initial=limits.retry_wait,
            wait_max=max(_LONGEST_WAIT, limits.retry_wait),
            wait_jitter=limits.retry_wait,
        ).on(_wait_asked_for)
        self._attempts = limits.attempts
        self._retry_wait = limits.retry_wait

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def get(self, url: str, params: Mapping[str, str], read: Callable[[Answer], _Read]) -> _Read:
        """What `read` makes of the answer.

        What trying again may help is tried again: failures of the network, the statuses that say so, and a TransientError
        that `read` raises. Raises the last TransientError when no attempt helped."""
        request = f"{url}?{urlencode(params)}"
        try:
            return await self._once(request, read)
        except TransientError as error:
            # stamina costs 40 microseconds a call, so only what failed once goes through it.
            if self._attempts < 2:
                raise
            await asyncio.sleep(error.retry_after or self._retry_wait)
            return await self._again(self._once, request, read)

    async def _once(self, url: str, read: Callable[[Answer], _Read]) -> _Read:
        if self._limiter:
            await self._limiter.acquire()
        while (wait := self._paused_until - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        try:
            request = httpx.Request("GET", url, headers=_HEADERS, extensions=self._timeout)
            response = await self._transport.handle_async_request(request)
            body = await response.aread()
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise ConfigurationError(f"{_shown(url)} is not a URL of http or https. Check ETL_SOURCE_URL.") from None
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            reason = redact(str(error)) or "no answer in time"
            raise TransientError(f"GET {_shown(url)} failed: {type(error).__name__}: {reason}") from None
        if response.status_code in _RETRIED:
            raise self._refusal(url, response)
        return read(Answer(response.status_code, response.headers, body))

    def _refusal(self, url: str, response: httpx.Response) -> TransientError:
        asked = retry_after(response.headers, datetime.now(UTC))
        if response.status_code == 429 and asked:
            # The limit is the account's, so every request waits, not just this one.
            self._paused_until = max(self._paused_until, time.monotonic() + asked)
        wish = f", asks to wait {asked:.0f} s" if asked else ""
        return TransientError(f"GET {_shown(url)} was answered {response.status_code}{wish}", asked)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that `Retry-After` asks for, in either of its forms (RFC 9110, 10.2.3). None where it is absent or garbled."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _wait_asked_for(error: Exception) -> bool | float:
    if not isinstance(error, TransientError):
        return False
    return error.retry_after or True


def _shown(url: str) -> str:
    """The URL without its query, where the token is."""
    return redact(url.partition("?")[0])


class _Redacting(logging.Filter):
    """Keeps tokens out of what the HTTP libraries log: httpx logs whole URLs at INFO."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


for _name in ("httpx", "httpcore", "aiohttp.client", "aiohttp.internal"):
    logging.getLogger(_name).addFilter(_Redacting())
