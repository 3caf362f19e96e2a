"""Where faults meet requests: which one is due, and what the answer becomes."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from tasks.extract.sample_market.dialect import HTML, Dialect, html_page
from tasks.extract.sample_market.faults.faults import Faults
from tasks.extract.sample_market.faults.wire import CutOff, Late, Reset

STATUS = {
    "rate_limited": 429,
    "server_error": 500,
    "bad_gateway": 502,
    "unavailable": 503,
    "unavailable_silent": 503,
    "unauthorized": 401,
    "quota_used_up": 402,
    "forbidden": 403,
    "not_found": 404,
}


class Injection:
    """Counts the attempts of each request, from 1; new faults begin to count anew."""

    def __init__(
        self, faults: Faults, connection_of: Callable[[Request], asyncio.Transport], met: Counter[str]
    ) -> None:
        self._faults = faults
        self._connection_of = connection_of
        self._attempts: Counter[str] = Counter()
        self._met = met  # how often each fault was met

    @property
    def faults(self) -> Faults:
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._attempts.clear()

    def due(self, request: Request, code: str) -> str | None:
        fault = self._faults.of_code(code) or self._passing(request)
        if fault:
            self._met[fault] += 1
        return fault

    def refusal(self, fault: str | None, dialect: Dialect, now: datetime) -> Response | None:
        """The answer of a fault that is a status."""
        status = STATUS.get(fault or "")
        if status is None:
            return None
        if fault == "bad_gateway":  # a proxy's, whatever the source's own errors look like
            return Response(html_page("502 Bad Gateway", "nginx"), status, media_type=HTML)
        body, media = dialect.error(status, f"The sample market was told to answer so ({fault}).")
        seconds = self._faults.retry_after_seconds
        wait = dialect.retry_after_header(seconds, now) if fault in {"rate_limited", "unavailable"} else {}
        return Response(body, status, wait, media)

    def spoil(self, fault: str | None, answer: Response, request: Request) -> Response:
        """The answer as a fault of the way or of the body leaves it."""
        if fault == "html_page":
            return Response(html_page("Welcome", "This page is no price."), media_type=HTML)
        if fault == "broken_json":
            return Response(bytes(answer.body[: len(answer.body) * 2 // 3]), media_type=answer.media_type)
        if fault == "reset":
            return Reset(self._connection_of(request))
        if fault == "cut_off":
            return CutOff(answer, self._connection_of(request))
        if fault in {"slow", "hang"}:
            return Late(answer, self._faults.slow_seconds if fault == "slow" else None)
        return answer

    def _passing(self, request: Request) -> str | None:
        if not self._faults.any_passing:
            return None
        name = request_name(request)
        self._attempts[name] += 1
        return self._faults.passing(name, self._attempts[name])


def request_name(request: Request) -> str:
    """Path and query, without the token and in the order of the names: `/api/eod/AAPL.US?fmt=json&from=2024-01-02`."""
    query = "&".join(f"{k}={v}" for k, v in sorted(request.query_params.items()) if k != "api_token")
    return f"{request.url.path}?{query}"


def outside(first: date, last: date) -> tuple[date, date]:
    """The range with two weeks more on both sides."""
    fortnight = timedelta(days=14)
    return max(first, date.min + fortnight) - fortnight, min(last, date.max - fortnight) + fortnight
