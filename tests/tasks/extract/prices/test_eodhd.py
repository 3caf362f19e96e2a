"""Each answer that the source may give, and what becomes of it."""

import asyncio
import re
import string
from collections.abc import Awaitable, Callable
from datetime import date
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.errors import AuthenticationError, ConfigurationError, FatalError, QuotaExhausted, TransientError
from tasks.extract.http import Answer, Http, HttpLimits
from tasks.extract.prices.eodhd import Eodhd, Fetched, Outcome, UnreadableError, read_bars, read_codes
from tasks.extract.prices.shard import _rows
from tasks.extract.sample_market import (
    DEMO,
    FREE,
    PAID,
    Accounts,
    Dialect,
    Faults,
    Plan,
    Served,
    SimulatedMarket,
    serve,
)
from tasks.extract.sample_market.faults.faults import PASSING
from tasks.window import Window
from tests.tasks.extract.conftest import AS_OF
from tests.tasks.extract.scripted import answer, scripted

QUICK = HttpLimits(connections=8, per_minute=0, timeout=5.0, attempts=3, retry_wait=0.01)
JUNE = Window(first=date(2024, 6, 3), last=date(2024, 6, 14))
BAR = (
    '{"date":"2022-01-03","open":177.83,"high":182.88,"low":177.71,"close":182.01,'
    '"adjusted_close":179.2736,"volume":104487900}'
)
Found = TypeVar("Found")


def ask(url: str, what: Callable[[Eodhd], Awaitable[Found]], token: str = "demo", limits: HttpLimits = QUICK) -> Found:
    async def run() -> Found:
        async with Http(limits) as http:
            return await what(Eodhd(http, url, token))

    return asyncio.run(run())


def bars(url: str, code: str = "AAPL.US", window: Window = JUNE, token: str = "demo") -> Fetched:
    return ask(url, lambda source: source.bars(code, window), token)


def changed(old: str, new: str) -> str:
    """A list of one bar in which something stands in the place of something else."""
    assert old in BAR
    return f"[{BAR.replace(old, new, 1)}]"


def read(body: str | bytes, status: int = 200, **headers: str) -> Fetched:
    return read_bars(Answer(status, headers, body.encode() if isinstance(body, str) else body))


def test_bars_are_counted_and_kept_as_received() -> None:
    assert read(f"[{BAR},{BAR}]") == Fetched(Outcome.FETCHED, bars=2, body=f"[{BAR},{BAR}]".encode())


@pytest.mark.parametrize(
    "odd",
    [
        changed("182.01", "null"),
        changed("104487900", "0"),
        changed("104487900", "1.5e9"),
        changed("182.01", "-1"),
        changed("2022-01-03", "yesterday"),
        changed("}", ',"extra":{"a":[1,"b",null]}}'),
        changed("177.83", "200"),  # above the high
    ],
)
def test_what_can_be_read_is_kept_for_the_checks_to_judge(odd: str) -> None:
    assert read(odd).outcome is Outcome.FETCHED


def test_the_warning_of_a_free_plan_is_noted() -> None:
    limited = BAR.replace("}", ',"warning":"Data is limited by one year as you have free subscription."}')

    assert read(f"[{BAR},{limited}]").warning == "Data is limited by one year as you have free subscription."


def test_an_empty_list_is_a_code_without_a_session() -> None:
    assert read("[]") == Fetched(Outcome.EMPTY)


@pytest.mark.parametrize("body", ["", "Not Found", "<html>404</html>", '{"error":"Ticker Not Found.","code":404}'])
def test_404_is_an_unknown_code_whatever_the_body(body: str) -> None:
    found = read(body, 404)

    assert (found.outcome, found.body) == (Outcome.UNKNOWN, None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("182.01", "Expected `array`, got `float`"),
        ("null", "Expected `array`, got `null`"),
        ('"Ticker"', "Expected `array`, got `str`"),
        ('{"status":401,"error":"Unauthorized"}', "Expected `array`, got `object`"),
        ("[1]", "Expected `object`, got `int`"),
        ("[[]]", "Expected `object`, got `array`"),
        (changed("close", "c1ose"), "Object missing required field `close`"),
        (changed("{", BAR + ',{"date":1,'), "Expected `str`, got `int` - at `$[1].date`"),
        (changed("182.01", '"n/a"'), "Expected `float | null`, got `str` - at `$[0].close`"),
        (changed("182.01", '"182.01"'), "got `str` - at `$[0].close`"),
        (changed('"2022-01-03"', "null"), "Expected `str`, got `null` - at `$[0].date`"),
        (changed("182.01", "true"), "got `bool`"),
        (changed("182.01", "1e999"), "Number out of range"),
    ],
)
def test_json_that_is_no_bars_is_refused_and_kept(body: str, reason: str) -> None:
    found = read(body)

    assert found.outcome is Outcome.REFUSED
    assert found.body == body.encode()
    assert found.reason is not None
    assert found.reason.startswith("not the fields of a bar: ")
    assert reason in found.reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Maintenance</body></html>",
        f"[{BAR},{BAR}]".encode()[:-40],
        f"[{BAR}".encode(),
        f"[{BAR}] and more".encode(),
        changed("182.01", "NaN").encode(),
        f"[{BAR}]".encode("utf-16"),
        changed("2022", "20\udcff22").encode("utf-8", "surrogateescape"),
    ],
)
def test_what_is_no_json_may_be_tried_again(body: bytes) -> None:
    with pytest.raises(UnreadableError, match="not JSON: ") as unread:
        read(body)

    assert unread.value.body == body
    assert isinstance(unread.value, TransientError)


@pytest.mark.parametrize("status", [400, 403, 405, 410, 418, 422, 204, 206])
def test_another_status_is_refused_with_the_words_of_the_source(status: int) -> None:
    found = read("<html><h1>Bad Request</h1>\n<p>No such period.</p></html>", status)

    assert found.outcome is Outcome.REFUSED
    assert found.reason == f"status {status}: Bad Request No such period."
    assert found.body == b"<html><h1>Bad Request</h1>\n<p>No such period.</p></html>"


@pytest.mark.parametrize("reader", [read_bars, read_codes])
@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (401, AuthenticationError, "refused the token with status 401: Unauthorized.*Set ETL_SOURCE_TOKEN"),
        (402, QuotaExhausted, "quota is used up .402.*kept. Run the same window again after midnight GMT"),
        (301, ConfigurationError, "redirects to https://eodhd.com/api .301.*Set ETL_SOURCE_URL"),
        (308, ConfigurationError, "redirects to https://eodhd.com/api .308."),
    ],
)
def test_what_is_wrong_for_every_code_alike_stops_all(
    reader: Callable[[Answer], object], status: int, error: type[FatalError], told: str
) -> None:
    answered = Answer(status, {"location": "https://eodhd.com/api?x=1"}, b"<html>Unauthorized</html>")
    if reader is read_bars and 300 <= status < 400:  # said of one code, which may be the only one
        wrong = read_bars(answered).if_all
        assert isinstance(wrong, error)
        assert re.search(told, str(wrong))
        return
    with pytest.raises(error, match=told):
        reader(answered)


def test_a_list_of_codes_that_is_forbidden_is_a_refused_token() -> None:
    with pytest.raises(AuthenticationError, match=r"with status 403: Unauthorized.*whose plan covers"):
        read_codes(Answer(403, {}, b"<html>Unauthorized</html>"))


@pytest.mark.parametrize("body", ["json", "short_json", "html"])
def test_a_wrong_token_is_refused_in_whatever_dialect(source: Served, body: str) -> None:
    source.dialect = Dialect.model_validate({"error_body": body})

    with pytest.raises(AuthenticationError, match=r"with status 401: .*api_token is missing or not known"):
        bars(source.url, token="wrong")


def test_bars_of_the_source_are_those_of_the_market(source: Served) -> None:
    found = bars(source.url)

    wanted = source.market.bars("AAPL.US", JUNE.first, JUNE.last)
    assert wanted is not None
    assert (found.outcome, found.bars) == (Outcome.FETCHED, 10)
    rows = _rows([("AAPL.US", found)], source.accounts.clock())
    typed = rows.with_columns(pl.col("date").str.to_date(), pl.col("volume").cast(pl.Int64))
    assert_frame_equal(typed.select(wanted.columns), wanted)


def test_what_is_asked_for_arrives_whatever_is_in_it() -> None:
    token = string.punctuation + "aZ09"
    with scripted(lambda *_: answer(404)) as server:
        bars(server.url + "/", code="M&M+=@.NSE", token=token)

    asked = urlsplit(server.paths[0])
    assert unquote(asked.path) == "/api/eod/M&M+=@.NSE"
    assert parse_qs(asked.query, strict_parsing=True) == {
        "api_token": [token],
        "fmt": ["json"],
        "from": ["2024-06-03"],
        "to": ["2024-06-14"],
    }


def test_a_window_without_a_session_is_empty(source: Served) -> None:
    assert bars(source.url, window=Window(first=date(2024, 6, 8), last=date(2024, 6, 9))).outcome is Outcome.EMPTY


def test_an_unknown_code_is_no_error(source: Served) -> None:
    assert bars(source.url, code="NOSUCH.US").outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("fault", [f for f in PASSING if f not in {"slow", "hang"}])
def test_every_passing_fault_is_healed_by_trying_again(source: Served, fault: str) -> None:
    source.faults = Faults.model_validate({fault: 0.5, "retry_after_seconds": 0})
    codes = [f"{name}.US" for name in source.market.codes("US", AS_OF)][:20]
    patient = HttpLimits(connections=8, per_minute=0, timeout=5.0, attempts=15, retry_wait=0.001)

    async def all_of_them(eodhd: Eodhd) -> list[Fetched]:
        return await asyncio.gather(*(eodhd.bars(code, JUNE) for code in codes))

    disturbed = ask(source.url, all_of_them, limits=patient)

    assert source.requests.total > 30  # 20, and those that went wrong
    source.faults = Faults()
    assert disturbed == ask(source.url, all_of_them)
    assert {f.outcome for f in disturbed} == {Outcome.FETCHED}


@pytest.mark.parametrize("fault", ["slow", "hang"])
def test_what_takes_too_long_is_asked_for_again(source: Served, fault: str) -> None:
    source.faults = Faults.model_validate({fault: 0.5, "slow_seconds": 30})
    impatient = HttpLimits(connections=8, per_minute=0, timeout=0.3, attempts=15, retry_wait=0.001)

    async def some(eodhd: Eodhd) -> list[Fetched]:
        return await asyncio.gather(*(eodhd.bars(code, JUNE) for code in ("AAPL.US", "MSFT.US", "TSLA.US", "VTI.US")))

    assert {f.outcome for f in ask(source.url, some, limits=impatient)} == {Outcome.FETCHED}
    assert source.requests.total > 4


@pytest.mark.parametrize(
    ("fault", "outcome", "reason"),
    [
        ("html_page", Outcome.REFUSED, "not JSON"),
        ("broken_json", Outcome.REFUSED, "not JSON"),
        ("bare_number", Outcome.REFUSED, "Expected `array`, got `float`"),
        ("missing_field", Outcome.REFUSED, "missing required field `close`"),
        ("text_number", Outcome.REFUSED, "got `str`"),
        ("server_error", Outcome.FAILED, "was answered 500"),
        ("reset", Outcome.FAILED, "failed: "),
        ("cut_off", Outcome.FAILED, "failed: "),
        ("not_found", Outcome.UNKNOWN, "does not know the code"),
        ("empty_list", Outcome.EMPTY, None),
        ("null_number", Outcome.FETCHED, None),
        ("duplicate_records", Outcome.FETCHED, None),
    ],
)
def test_a_fault_that_stays_has_its_outcome(source: Served, fault: str, outcome: Outcome, reason: str | None) -> None:
    lasting = [fault] if fault in PASSING else []
    source.faults = Faults.model_validate({fault: 1.0, "lasting": lasting, "damaged_rows": 0.5})
    found = bars(source.url)

    assert found.outcome is outcome
    assert (reason or "") in (found.reason or "")
    assert (found.body is not None) == (outcome in {Outcome.REFUSED, Outcome.FETCHED})


def test_the_plan_and_the_quota_of_a_token_are_told() -> None:
    tokens = Accounts({"demo": DEMO, "free": FREE, "one": Plan("one", daily_limit=1)})
    with serve(SimulatedMarket(60, seed=7, as_of=AS_OF), accounts=tokens) as served:
        assert bars(served.url).outcome is Outcome.FETCHED
        assert "the demo plan does not have SOMETHING" in (bars(served.url, code="SOMETHING.US").reason or "")
        year = Window(first=date(2020, 1, 1), last=AS_OF)
        assert (bars(served.url, window=year, token="free").warning or "").startswith("Data is limited by one year")
        assert bars(served.url, token="one").outcome is Outcome.FETCHED
        with pytest.raises(QuotaExhausted):
            bars(served.url, token="one")


def test_the_codes_of_an_exchange_are_those_of_its_last_session(source: Served) -> None:
    sunday = date(2024, 6, 30)
    source.market.as_of = sunday

    found = ask(source.url, lambda eodhd: eodhd.codes("US", sunday))

    assert found == sorted(f"{name}.US" for name in source.market.codes("US", date(2024, 6, 28)))
    assert source.requests.total == 1  # of Friday, for the calendar knows the weekend


def test_an_exchange_without_a_session_is_refused(source: Served) -> None:
    with pytest.raises(ConfigurationError, match=r"no bar of exchange US in the 10 sessions up to 1999-01-10\. Check"):
        ask(source.url, lambda eodhd: eodhd.codes("US", date(1999, 1, 10)))


def test_an_unknown_exchange_is_refused(source: Served) -> None:
    with pytest.raises(
        ConfigurationError, match=r"list of codes was answered 404: .*Exchange Not Found.* Check ETL_EXCHANGE"
    ):
        ask(source.url, lambda eodhd: eodhd.codes("MOON", AS_OF))


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'[{"name": "no code"}]', b"\xff"])
def test_a_list_of_codes_that_cannot_be_read_is_an_error(body: bytes) -> None:
    with (
        scripted(lambda *_: answer(200, body)) as server,
        pytest.raises(TransientError, match="list of codes cannot be"),
    ):
        ask(server.url, lambda eodhd: eodhd.codes("US", AS_OF))

    assert len(server.paths) == QUICK.attempts


def test_a_source_that_does_not_list_its_codes_is_told_with_what_to_do() -> None:
    wanted = r"codes of US cannot be listed: GET .* was answered 500\. Check ETL_SOURCE_URL, and run again when"
    with scripted(lambda *_: answer(500)) as server, pytest.raises(TransientError, match=wanted):
        ask(server.url, lambda eodhd: eodhd.codes("US", AS_OF))


def test_a_plan_without_the_list_of_codes_is_told_so() -> None:
    with serve(SimulatedMarket(60, seed=7, as_of=AS_OF), accounts=Accounts({"free": FREE, "paid": PAID})) as served:
        assert ask(served.url, lambda eodhd: eodhd.codes("US", AS_OF), token="paid")
        with pytest.raises(AuthenticationError, match="the free plan does not have eod-bulk-last-day"):
            ask(served.url, lambda eodhd: eodhd.codes("US", AS_OF), token="free")
