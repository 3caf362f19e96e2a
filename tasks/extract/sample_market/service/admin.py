"""What a tester may change while the server runs: faults, dialect, and the day on which one asks."""

from collections import Counter
from datetime import date
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tasks.errors import ConfigurationError
from tasks.extract.sample_market.dialect import Dialect
from tasks.extract.sample_market.faults.faults import Faults
from tasks.extract.sample_market.service.service import Service


class Requests:
    """What was asked so far. A reset or a hang has no status."""

    def __init__(self) -> None:
        self.total = 0
        self.by_path: Counter[str] = Counter()
        self.by_status: Counter[int] = Counter()
        self.by_fault: Counter[str] = Counter()

    def clear(self) -> None:
        self.total = 0
        self.by_path.clear()
        self.by_status.clear()
        self.by_fault.clear()


class Admin:
    """The endpoints under `/admin`, which need no token: the server is for one machine."""

    def __init__(self, service: Service, requests: Requests) -> None:
        self._service = service
        self._requests = requests

    def routes(self) -> list[Route]:
        return [
            Route("/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/dialect", self.dialect, methods=["GET", "POST"]),
            Route("/market", self.market, methods=["GET", "POST"]),
            Route("/requests", self.requests, methods=["GET", "DELETE"]),
        ]

    async def faults(self, request: Request) -> Response:
        """GET: those in force. POST: changes those named, leaves the others. DELETE: no faults."""
        injection = self._service.injection
        try:
            if request.method == "POST":
                injection.faults = Faults(**injection.faults.model_dump() | await _object(request))
            elif request.method == "DELETE":
                injection.faults = Faults()
        except (ConfigurationError, ValueError, TypeError) as error:
            return _refused(error)
        return JSONResponse(injection.faults.model_dump(mode="json"))

    async def dialect(self, request: Request) -> Response:
        try:
            if request.method == "POST":
                self._service.dialect = Dialect(**self._service.dialect.model_dump() | await _object(request))
        except (ConfigurationError, ValueError, TypeError) as error:
            return _refused(error)
        return JSONResponse(self._service.dialect.model_dump(mode="json"))

    async def market(self, request: Request) -> Response:
        """POST: `{"as_of": "2024-06-28"}`."""
        try:
            if request.method == "POST":
                self._service.market.as_of = date.fromisoformat(str((await _object(request)).get("as_of")))
        except (ConfigurationError, ValueError, TypeError) as error:
            return _refused(error)
        return JSONResponse({"as_of": self._service.market.as_of.isoformat()})

    async def requests(self, request: Request) -> Response:
        """DELETE: count from nothing again."""
        if request.method == "DELETE":
            self._requests.clear()
        return JSONResponse(vars(self._requests))


def in_words(error: Exception) -> str:
    """The text of an error in one line."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    return str(error)


async def _object(request: Request) -> dict[str, Any]:
    value = await request.json()
    if not isinstance(value, dict):
        raise TypeError(f"The body is {type(value).__name__}. Send a JSON object.")
    return value


def _refused(error: Exception) -> Response:
    return JSONResponse({"error": in_words(error)}, 422)
