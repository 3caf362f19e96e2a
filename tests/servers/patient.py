"""Clients of a Prefect server on SQLite that many ask at once. It answers 503 to whoever has found its database locked,
and nothing has come of the request; Prefect's own clients give up after six such answers, as a busy machine gives."""

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
        while (answer := super().handle_request(request)).status_code == 503 and time.monotonic() < deadline:
            answer.close()
            time.sleep(_PAUSE)
        return answer


class AsyncPatient(httpx.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        deadline = time.monotonic() + _DEADLINE
        while (
            answer := await super().handle_async_request(request)
        ).status_code == 503 and time.monotonic() < deadline:
            await answer.aclose()
            await asyncio.sleep(_PAUSE)
        return answer


def patient_client(url: str = "") -> PrefectClient:
    """Of the server at this URL, or of the one in use."""
    return PrefectClient(url or PREFECT_API_URL.value(), httpx_settings={"transport": AsyncPatient()})
