"""The token is in no log record of any logger, and in no exception or what hangs on it, whatever goes wrong."""

import asyncio
import logging
import traceback
from collections.abc import Callable, Iterator
from datetime import date

import pytest

from tasks.errors import EtlError
from tasks.extract.http import Http, HttpLimits
from tasks.extract.prices.eodhd import Eodhd
from tasks.extract.sample_market import PAID, Accounts, Dialect, Faults, Served, SimulatedMarket, serve
from tasks.extract.sample_market.faults.faults import PASSING
from tasks.window import Window
from tests.tasks.extract.conftest import AS_OF
from tests.tasks.extract.scripted import answer, scripted

TOKEN = "5f8c2b1e7a3d40.12345678"
HIDDEN = ("5f8c2b1e7a3d40", "12345678")
LIMITS = HttpLimits(connections=4, per_minute=0, timeout=0.3, attempts=3, retry_wait=0.01)
JUNE = Window(first=date(2024, 6, 1), last=date(2024, 6, 30))
ECHO = f"The address /api/eod/AAPL.US?api_token={TOKEN}&fmt=json was not found. Token {TOKEN} is not valid.".encode()


class Everything(logging.Handler):
    """All that is in any record: its message, what was added to it, and the exceptions."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = ""
        self.loggers: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.loggers.add(record.name)
        self.text += f"{record.getMessage()} {vars(record)}\n"
        if record.exc_info and record.exc_info[1]:
            self.text += held(record.exc_info[1])


@pytest.fixture
def logged() -> Iterator[Everything]:
    """Every logger that there is, at DEBUG."""
    handler, root = Everything(), logging.getLogger()
    known = [root, *(x for x in logging.Logger.manager.loggerDict.values() if isinstance(x, logging.Logger))]
    before = [(logger, logger.level, logger.disabled) for logger in known]
    for logger in known:
        logger.setLevel(logging.DEBUG)
        logger.disabled = False
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    for logger, level, disabled in before:
        logger.setLevel(level)
        logger.disabled = disabled


def held(error: BaseException) -> str:
    """The text of an exception, of its attributes, and of all that it came from."""
    text, waiting, seen = "", [error], set[int]()
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        text += f"{found!r} {found} {found.args} {vars(found)} {''.join(traceback.format_exception(found))}\n"
        waiting += [e for e in (found.__cause__, found.__context__) if e]
        if isinstance(found, BaseExceptionGroup):
            waiting += found.exceptions
    return text


def ask(url: str, codes: int = 20) -> str:
    """All that became of asking for bars and for the list of codes, as text."""

    async def run() -> str:
        async with Http(LIMITS) as http:
            source = Eodhd(http, url, TOKEN)
            asked = [source.bars(f"C{n}.US", JUNE) for n in range(codes)]
            found = await asyncio.gather(*asked, source.codes("US", JUNE.last), return_exceptions=True)
            return "\n".join(held(f) if isinstance(f, BaseException) else repr(f) for f in found)

    return asyncio.run(run(), debug=True)


def assert_hidden(text: str) -> None:
    for part in HIDDEN:
        assert part not in text, text[max(0, text.index(part) - 300) : text.index(part) + 100]


@pytest.fixture
def source() -> Iterator[Served]:
    with serve(SimulatedMarket(30, seed=7, as_of=AS_OF), accounts=Accounts({TOKEN: PAID})) as running:
        yield running


@pytest.mark.parametrize(
    "fault",
    [*PASSING, "unauthorized", "quota_used_up", "forbidden", "not_found", "bare_number", "missing_field"],
)
@pytest.mark.parametrize("body", ["json", "html"])
def test_no_fault_of_the_source_shows_the_token(source: Served, logged: Everything, fault: str, body: str) -> None:
    source.faults = Faults.model_validate({fault: 0.7, "retry_after_seconds": 0})
    source.dialect = Dialect(error_body=body)

    assert_hidden(ask(source.url) + logged.text)
    assert source.requests.total >= 21


def test_what_goes_well_does_not_show_it_either(source: Served, logged: Everything) -> None:
    assert "FETCHED" in ask(source.url, codes=5).upper() + logged.text.upper()
    assert_hidden(logged.text)


def test_the_log_is_watched(logged: Everything) -> None:
    """That the tests here see what is logged, in a logger that was there and in a new one."""
    logging.getLogger("httpx").info("GET %s", f"https://example.com/?api_token={TOKEN}")
    logging.getLogger("asyncio").debug("known", extra={"url": TOKEN})

    with pytest.raises(AssertionError):
        assert_hidden(logged.text)
    assert logged.loggers >= {"httpx", "asyncio"}


@pytest.mark.parametrize("status", [200, 302, 400, 401, 402, 403, 404, 418, 429, 500])
def test_a_source_that_quotes_the_token_is_not_repeated(logged: Everything, status: int) -> None:
    """Neither in words nor in what is kept of a refused answer."""
    location = f"https://elsewhere.example/{TOKEN}?api_token={TOKEN}"
    with scripted(lambda *_: answer(status, ECHO, Location=location)) as server:
        assert_hidden(ask(server.url, codes=2) + logged.text)


@pytest.mark.parametrize(
    "reply",
    [
        lambda *_: f"no HTTP {TOKEN}\r\n\r\n".encode(),
        lambda *_: answer(200, b"no gzip", Content_Encoding="gzip"),
        lambda *_: answer(200, b'[{"date": "2024-06-03", "open": "' + TOKEN.encode() + b'"}]'),
        lambda *_: (b"HTTP/1.1 200 OK\r\nContent-Le", None),
    ],
)
def test_an_answer_that_is_broken_does_not_show_it(logged: Everything, reply: Callable[[str, int], bytes]) -> None:
    with scripted(reply) as server:
        assert_hidden(ask(server.url, codes=2) + logged.text)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/api",
        "http://no-such-host.invalid/api",
        f"http://user:{TOKEN}@127.0.0.1:1/api",
        "ftp://127.0.0.1/api",
        "localhost:80/api",
        "http://[::1/api",
        "http://",
    ],
)
def test_a_source_that_is_not_reached_does_not_show_it(logged: Everything, url: str) -> None:
    found = ask(url, codes=2)

    assert "Check ETL_SOURCE_URL" in found or "failed" in found
    assert_hidden(found + logged.text)


def test_errors_have_no_other_errors_behind_them(source: Served) -> None:
    """Those of the HTTP client hold requests, with their URLs."""

    async def run(url: str) -> BaseException | None:
        async with Http(LIMITS) as http:
            try:
                await http.get(url, {"api_token": TOKEN}, lambda a: a)
            except EtlError as error:
                return error
            return None

    for url in ("http://127.0.0.1:1/api", "ftp://example.com/api"):
        error = asyncio.run(run(url))
        assert error is not None
        assert (error.__cause__, error.__context__) == (None, None)
