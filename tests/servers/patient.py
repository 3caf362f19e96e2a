"""Clients of a Prefect server that many ask at once. On SQLite it answers 503 to whoever has found its database locked,
and nothing has come of the request; on PostgreSQL 500 to whoever has waited for ten seconds. Prefect's own clients give
up after six such answers, or at once."""

import asyncio
import time

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.settings import PREFECT_API_URL

_DEADLINE = 300.0
_PAUSE = 0.2  # polled, with a deadline


class Patient(httpx.HTTPTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        deadline = time.monotonic() + _DEADLINE
        while _is_busy(answer := super().handle_request(request), request) and time.monotonic() < deadline:
            answer.close()
            time.sleep(_PAUSE)
        return answer


class AsyncPatient(httpx.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        deadline = time.monotonic() + _DEADLINE
        while _is_busy(answer := await super().handle_async_request(request), request) and time.monotonic() < deadline:
            await answer.aclose()
            await asyncio.sleep(_PAUSE)
        return answer


def patient_client(url: str = "") -> PrefectClient:
    """Of the server at this URL, or of the one in use."""
    return PrefectClient(url or PREFECT_API_URL.value(), httpx_settings={"transport": AsyncPatient()})


def _is_busy(answer: httpx.Response, request: httpx.Request) -> bool:
    return answer.status_code == 503 or (answer.status_code == 500 and request.method == "GET")
