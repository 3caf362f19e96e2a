"""Many GET requests at once, within a rate limit, retried while that may help.

The only module that knows the HTTP client."""

import asyncio
import functools
import random
import ssl
import time
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self, TypeVar, cast
from urllib.parse import urlencode

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from tasks.errors import ConfigurationError, ContractError, EtlError, TransientError
from tasks.extract.bodies import DecodingError, check_depth, read_body
from tasks.extract.rate_limit import SharedRateLimit, own_rate_limit
from tasks.isolation import Failure, attempted
from tasks.redaction import redact

_Read = TypeVar("_Read")
_RETRIED = frozenset({408, 425, 429})  # and all from 500 on
_HEADERS = {"accept": "application/json", "accept-encoding": "gzip, deflate", "user-agent": "prefect-on-azure-batch"}
_LONGEST_WAIT = 120.0  # seconds between two tries, unless the source asks for more
_LONGEST_WISH = 900.0  # seconds that a source may ask for; who asks for more is not waited for


@dataclass(frozen=True)
class HttpLimits:
    connections: int
    per_minute: int  # requests; 0: no limit
    timeout: float  # seconds, for connecting and between bytes of an answer
    attempts: int
    retry_wait: float  # seconds before the second try; doubles from try to try
    most_bytes: int = 64 << 20  # of an answer, packed or unpacked
    json_depth: int = 100  # levels of nesting in an answer


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """An asynchronous context manager around one pool of connections. `shared`: a limit beyond this process's own."""

    def __init__(self, limits: HttpLimits, shared: SharedRateLimit | None = None) -> None:
        self._limits = limits
        self._shared = shared
        # The transport alone, without httpx's client: that one logs whole URLs.
        self._transport = AiohttpTransport(_tls(), limits=httpx.Limits(max_connections=limits.connections))
        self._timeout = {"timeout": httpx.Timeout(limits.timeout, pool=None).as_dict()}
        self._limiter = own_rate_limit(limits.per_minute)
        self._paused_until = 0.0
        self._large = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def get(self, url: str, params: Mapping[str, str], read: Callable[[Answer], _Read]) -> _Read:
        """What `read` makes of the answer.

        What trying again may help is tried again: failures of the network, the statuses that say so, and a
        TransientError that `read` raises. Raises the last TransientError when no attempt helped, ConfigurationError for
        what is no URL, and ContractError for an answer that is too large or nested too deep."""
        request = f"{url}?{_query(tuple(params.items()))}"
        tried = 0
        while True:
            try:
                return await self._once(request, read)
            except TransientError as error:
                tried += 1
                if tried >= self._limits.attempts or (error.retry_after or 0) > _LONGEST_WISH:
                    raise
                wait = error.retry_after or min(_LONGEST_WAIT, self._limits.retry_wait * 2 ** (tried - 1))
            # So that requests that failed together do not come back together.
            await asyncio.sleep(wait + random.uniform(0, self._limits.retry_wait))  # noqa: S311

    async def _once(self, url: str, read: Callable[[Answer], _Read]) -> _Read:
        await self._turn()
        answer = await attempted(self._exchange(url))
        if isinstance(answer, Failure):
            # Out here: the client's own error has the whole URL in it, and would be this one's context.
            raise _explained(url, answer.error)
        if answer.status in _RETRIED or answer.status >= 500:
            raise self._refusal(url, answer)
        check_depth(answer.body, self._limits.json_depth)
        return read(answer)

    async def _exchange(self, url: str) -> Answer:
        request = httpx.Request("GET", url, headers=_HEADERS, extensions=self._timeout)
        response = await self._transport.handle_async_request(request)
        try:
            encoding = response.headers.get("content-encoding", "").strip().lower()
            # Not by the response: its decoders unpack whatever comes, and take a tenth of a small request's time.
            stream = cast("AsyncIterable[bytes]", response.stream)
            body = await read_body(stream, encoding, self._limits.most_bytes, self._large)
        finally:
            await response.aclose()
        if body is None:
            raise ContractError(
                f"GET {_shown(url)} was answered with more than {self._limits.most_bytes:,} bytes, and was read no "
                "further. ETL_SOURCE_MOST_BYTES is the limit."
            )
        return Answer(response.status_code, response.headers, body)

    async def _turn(self) -> None:
        """Waits for a place within the rate limits, and for the end of a pause."""
        if self._shared:
            await self._shared.take()
        if self._limiter:
            await self._limiter.acquire()
        while (wait := self._paused_until - time.monotonic()) > 0:
            await asyncio.sleep(wait)
            if self._limiter:  # else all who waited would go at once
                await self._limiter.acquire()

    def _refusal(self, url: str, answer: Answer) -> TransientError:
        asked = retry_after(answer.headers, datetime.now(UTC))
        if answer.status == 429 and asked and asked <= _LONGEST_WISH:
            # The limit is the account's, so every request waits, not just this one.
            self._paused_until = max(self._paused_until, time.monotonic() + asked)
        wish = f", asks to wait {asked:.0f} s" if asked else ""
        return TransientError(f"GET {_shown(url)} was answered {answer.status}{wish}", asked)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that `Retry-After` asks for, in either form (RFC 9110, 10.2.3). None where it is absent or garbled."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (TypeError, ValueError, OverflowError):  # the last of a date beyond the calendar
        return None


@functools.cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes 20 milliseconds."""
    return httpx.create_ssl_context()


@functools.lru_cache(maxsize=16)
def _query(params: tuple[tuple[str, str], ...]) -> str:
    """All codes of a shard are asked for in the same words."""
    return urlencode(params)


def _explained(url: str, error: BaseException) -> EtlError:
    """Whatever the client raises: of an answer that is no HTTP, also what parsing one raises."""
    if isinstance(error, EtlError):
        return error
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return ConfigurationError(f"{_shown(url)!r} is not a URL of http or https. Check ETL_SOURCE_URL.")
    # In the words of aiohttp: httpx_aiohttp makes a ConnectTimeout of every reset.
    told = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error
    # Its own text has the URL in it, and what came: that may quote the URL too.
    has_words = isinstance(told, OSError | httpx.HTTPError | DecodingError | aiohttp.ClientError)
    is_told = has_words and not isinstance(told, aiohttp.ClientResponseError)
    reason = str(told) if is_told else "the answer is not HTTP"
    return TransientError(f"GET {_shown(url)} failed: {type(told).__name__}: {reason or 'no answer in time'}")


def _shown(url: str) -> str:
    """The URL without its query, where the token is."""
    return redact(url.partition("?")[0])
