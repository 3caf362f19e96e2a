"""Shared-key signatures for plain HTTP calls, where a test wants to see what the SDK hides."""

from collections.abc import Generator
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlsplit

import httpx

from azure_batch_emulator.protocol.authentication import SignedRequest, sign, strings_to_sign


class SharedKey(httpx.Auth):
    """Signs every request now."""

    def __init__(self, account: str, key: str) -> None:
        self._account = account
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["ocp-date"] = format_datetime(datetime.now(UTC), usegmt=True)
        parts = urlsplit(str(request.url))
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in request.headers.items()}
        text = next(strings_to_sign(SignedRequest(request.method, parts.path, query, headers), self._account))
        request.headers["Authorization"] = f"SharedKey {self._account}:{sign(text, self._key)}"
        yield request
