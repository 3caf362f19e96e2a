"""The source that the settings name: the EODHD API, or the sample market in this process."""

import atexit
import functools
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from tasks.extract.http import Http, HttpLimits
from tasks.extract.identity import host_of
from tasks.extract.prices.eodhd import Eodhd
from tasks.extract.rate_limit import SharedRateLimit
from tasks.settings import Settings


def name_of(settings: Settings) -> str:
    """What the lake calls the source of its prices. Raises ConfigurationError for what is no URL."""
    return settings.source_name or (host_of(settings.source_url) if settings.source_url else "the sample market")


@asynccontextmanager
async def open_source(settings: Settings, shared: SharedRateLimit | None = None) -> AsyncIterator[Eodhd]:
    limits = HttpLimits(
        connections=settings.source_connections,
        per_minute=settings.requests_per_minute,
        timeout=settings.source_timeout_seconds,
        attempts=settings.source_attempts,
        retry_wait=settings.source_retry_wait_seconds,
        most_bytes=settings.source_most_bytes,
        json_depth=settings.source_json_depth,
    )
    url = settings.source_url or _embedded_market(settings.sample_market_codes)
    async with Http(limits, shared) as http:
        yield Eodhd(http, url, settings.source_token.get_secret_value())


@functools.cache
def _embedded_market(size: int) -> str:
    """Starts the sample market once per process, until the process ends. Returns its URL."""
    from tasks.extract.sample_market import SimulatedMarket, serve  # noqa: PLC0415 - production does not need it

    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(serve(SimulatedMarket(size=size))).url
