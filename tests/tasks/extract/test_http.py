"""Requests: retried, held back, within their limits, and in clear words when they fail."""

import asyncio
import gzip
import math
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from tasks.errors import ConfigurationError, TransientError
from tasks.extract.http import Answer, Http, HttpLimits, retry_after
from tasks.extract.sample_market import Served
from tests.tasks.extract.scripted import answer, scripted

QUICK = HttpLimits(connections=8, per_minute=0, timeout=5.0, attempts=4, retry_wait=0.01)
NOON = datetime(2024, 5, 6, 12, 0, tzinfo=UTC)
Outcome = Answer | BaseException


def get(url: str, times: int = 1, limits: HttpLimits = QUICK) -> list[Outcome]:
    """What so many requests at once came to."""

    async def run() -> list[Outcome]:
        async with Http(limits) as http:
            return await _gathered(http, url, times)

    return asyncio.run(run())


async def _gathered(http: Http, url: str, times: int) -> list[Outcome]:
    asked = (http.get(f"{url}/{n}", {"api_token": "demo"}, lambda a: a) for n in range(times))
    return await asyncio.gather(*asked, return_exceptions=True)


def limits(**changed: float) -> HttpLimits:
    return HttpLimits(**{**vars(QUICK), **changed})


def statuses(outcomes: Sequence[Outcome]) -> list[int]:
    return [o.status if isinstance(o, Answer) else 0 for o in outcomes]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("60", 60.0),
        (" 5 ", 5.0),
        ("0", 0.0),
        ("Mon, 06 May 2024 12:01:00 GMT", 60.0),
        ("Monday, 06-May-24 12:00:30 GMT", 30.0),
        ("Mon, 06 May 2024 14:00:10 +0200", 10.0),
        ("Mon, 06 May 2024 11:00:00 GMT", 0.0),  # is over
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("Mon, 06 May 2024 12:01:00 -0000", None),  # a time without a zone
        ("Mon, 99 May 2024 12:01:00 GMT", None),
    ],
)
def test_both_forms_of_retry_after_are_understood(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, NOON) == seconds


def test_without_retry_after_nothing_is_asked_for() -> None:
    assert retry_after({}, NOON) is None


def test_the_answer_is_given_to_be_read() -> None:
    with scripted(lambda path, _: answer(404, b'{"a": 1}', X_RateLimit_Remaining="998")) as server:
        (found,) = get(server.url)

    assert isinstance(found, Answer)
    assert (found.status, found.body, found.headers["x-ratelimit-remaining"]) == (404, b'{"a": 1}', "998")
    assert server.paths == ["/api/0?api_token=demo"]


def test_a_compressed_body_is_unpacked() -> None:
    with scripted(lambda *_: answer(200, gzip.compress(b"[1, 2]"), Content_Encoding="gzip")) as server:
        (found,) = get(server.url)

    assert isinstance(found, Answer)
    assert found.body == b"[1, 2]"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 520, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    with scripted(lambda _, number: answer(status) if number < 3 else answer(200)) as server:
        assert statuses(get(server.url)) == [200]

    assert len(server.paths) == 4


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 402, 403, 404, 410, 422])
def test_what_does_not_pass_is_not_tried_again(status: int) -> None:
    with scripted(lambda *_: answer(status, b"")) as server:
        assert statuses(get(server.url)) == [status]

    assert len(server.paths) == 1


@pytest.mark.parametrize("attempts", [1, 3])
def test_after_all_attempts_the_last_failure_is_raised(attempts: int) -> None:
    with scripted(lambda *_: answer(503)) as server:
        (failure,) = get(server.url, limits=limits(attempts=attempts))

    assert isinstance(failure, TransientError)
    assert str(failure) == f"GET {server.url}/0 was answered 503"
    assert len(server.paths) == attempts


def test_what_the_reader_cannot_use_is_tried_again() -> None:
    def read(found: Answer) -> bytes:
        if found.body == b"[]":
            raise TransientError("not yet")
        return found.body

    async def run(url: str) -> bytes:
        async with Http(QUICK) as http:
            return await http.get(url, {}, read)

    with scripted(lambda _, number: answer(200, b"[]" if number < 2 else b"[1]")) as server:
        assert asyncio.run(run(server.url)) == b"[1]"


def test_each_wait_is_twice_the_one_before() -> None:
    with scripted(lambda *_: answer(500)) as server:
        get(server.url, limits=limits(retry_wait=0.05))

    waits = [later - earlier for earlier, later in zip(server.moments, server.moments[1:], strict=False)]
    assert len(waits) == 3
    assert all(wait >= least for wait, least in zip(waits, (0.05, 0.1, 0.2), strict=True))


def test_requests_that_failed_together_do_not_come_back_together() -> None:
    with scripted(lambda _, number: answer(500) if number < 8 else answer(200)) as server:
        get(server.url, 8, limits(retry_wait=0.2))

    again = server.moments[8:]
    assert max(again) - min(again) > 0.02  # spread over 0.2 s; without jitter it is a burst


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_429_holds_back_all_requests_for_as_long_as_it_asks(form: str) -> None:
    until = math.ceil(time.time()) + 1.0  # an HTTP date knows no fractions
    date = format_datetime(datetime.fromtimestamp(until, UTC), usegmt=True)

    async def run(url: str) -> tuple[list[Outcome], list[Outcome]]:
        async with Http(limits(attempts=1, per_minute=600)) as http:
            return await _gathered(http, f"{url}/first", 1), await _gathered(http, f"{url}/rest", 20)

    wish = "1" if form == "seconds" else date
    with scripted(lambda _, number: answer(429, Retry_After=wish) if number == 0 else answer()) as server:
        (refused,), rest = asyncio.run(run(server.url))

    assert isinstance(refused, TransientError)
    assert refused.retry_after
    assert 0 < refused.retry_after <= 2
    assert statuses(rest) == [200] * 20
    asked = 1.0 if form == "seconds" else refused.retry_after
    assert server.moments[1] - server.moments[0] >= asked - 0.01
    # And then they do not come all at once: ten a second, the first ten aside.
    assert server.moments[-1] - server.moments[0] >= asked + 0.9


def test_who_was_refused_comes_back_by_itself() -> None:
    with scripted(lambda _, number: answer(429, Retry_After="1") if number == 0 else answer()) as server:
        assert statuses(get(server.url)) == [200]

    assert server.moments[1] - server.moments[0] >= 1.0


def test_a_503_holds_back_nobody_else() -> None:
    script = lambda path, _: answer(503, Retry_After="600") if "/0?" in path else answer()  # noqa: E731
    with scripted(script) as server:
        assert statuses(get(server.url, 5, limits(attempts=1))) == [0, 200, 200, 200, 200]


def test_a_wish_that_is_too_long_ends_the_attempts_at_once() -> None:
    """Not a day of waiting on a machine that is paid for: the run fails as resumable."""

    async def run(url: str) -> tuple[list[Outcome], list[Outcome]]:
        async with Http(QUICK) as http:
            return await _gathered(http, f"{url}/first", 1), await _gathered(http, f"{url}/rest", 3)

    with scripted(lambda _, number: answer(429, Retry_After="86400") if number == 0 else answer()) as server:
        (failure,), rest = asyncio.run(run(server.url))

    assert isinstance(failure, TransientError)
    assert failure.retry_after == 86400
    assert "was answered 429, asks to wait 86400 s" in str(failure)
    assert statuses(rest) == [200] * 3


@pytest.mark.parametrize(("per_minute", "requests", "at_least"), [(1200, 60, 2.0), (30, 2, 2.0)])
def test_the_rate_limit_holds(per_minute: int, requests: int, at_least: float) -> None:
    """Only that they were not too fast can be told on a busy machine."""
    began = time.monotonic()
    with scripted(lambda *_: answer()) as server:
        assert statuses(get(server.url, requests, limits(per_minute=per_minute))) == [200] * requests

    assert max(server.moments) - began >= at_least


def test_there_are_no_more_connections_than_allowed() -> None:
    crowd = threading.Event()  # never comes: each answer waits a little for it, so that others can come meanwhile

    def slow(path: str, number: int) -> bytes:
        crowd.wait(0.02)
        return answer()

    with scripted(slow) as server:
        assert statuses(get(server.url, 30, limits(connections=3))) == [200] * 30

    assert server.most_at_once <= 3


def test_an_answer_that_stops_halfway_is_given_up_and_its_connection_too() -> None:
    half = answer(200, b"x" * 1000)[:-500]
    with scripted(lambda _, number: (half, None) if number == 0 else answer()) as server:
        found = get(server.url, 3, limits(connections=1, timeout=0.3))

    assert statuses(found) == [200] * 3
    assert len(server.paths) == 4


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (lambda *_: (b"", None), "SocketTimeoutError: Timeout on reading data"),
        (lambda *_: (answer(200, b"x" * 100)[:-50], None), "SocketTimeoutError: Timeout on reading data"),
        (lambda *_: b"no HTTP\r\n\r\n", "ClientResponseError: the answer is not HTTP"),
        (lambda *_: answer(200, b"no gzip", Content_Encoding="gzip"), "DecodingError: Error -3 while decompressing"),
    ],
)
def test_what_is_no_answer_is_told_as_it_was(script, told: str) -> None:
    with scripted(script) as server:
        (failure,) = get(server.url, limits=limits(timeout=0.2, attempts=1))

    assert isinstance(failure, TransientError)
    assert str(failure).startswith(f"GET {server.url}/0 failed: {told}")


def test_a_server_that_does_not_speak_tls_is_told_so(source: Served) -> None:
    (failure,) = get(source.url.replace("http:", "https:"), limits=limits(attempts=1))

    assert isinstance(failure, TransientError)
    assert "SSL" in str(failure)


def test_a_refused_connection_names_the_host() -> None:
    (failure,) = get("http://127.0.0.1:1/api")

    assert isinstance(failure, TransientError)
    assert str(failure).startswith("GET http://127.0.0.1:1/api/0 failed: ClientConnectorError: Cannot connect to host")


def test_a_host_that_does_not_exist_is_named() -> None:
    (failure,) = get("http://no-such-host.invalid/api")

    assert isinstance(failure, TransientError)
    assert "no-such-host.invalid" in str(failure)


@pytest.mark.parametrize(
    "url", ["ftp://example.com/api", "localhost:8000/api", "example.com", "http://", "http://[::1/api"]
)
def test_what_is_no_url_of_http_is_refused_at_once(url: str) -> None:
    (failure,) = get(url)

    assert isinstance(failure, ConfigurationError)
    assert str(failure) == f"{url + '/0'!r} is not a URL of http or https. Check ETL_SOURCE_URL."
