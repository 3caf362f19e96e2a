"""Many codes at once: what becomes of each, when it stops, and what it keeps."""

import asyncio
import json
import string
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tasks.datasets import FETCHES, RAW_PRICES, shard_of
from tasks.errors import AuthenticationError, QuotaExhausted, TransientError
from tasks.extract.http import Answer, Http, HttpLimits
from tasks.extract.prices.eodhd import Eodhd, Fetched, Outcome, _bars, read_bars
from tasks.extract.prices.shard import Received, _rows, fetch
from tasks.extract.sample_market import Accounts, Faults, Plan, Served, SimulatedMarket, serve
from tasks.window import Window
from tests.tasks.extract.conftest import AS_OF
from tests.tasks.extract.scripted import answer, scripted

JUNE = Window(first=date(2024, 6, 3), last=date(2024, 6, 14))
NOW = datetime(2024, 6, 28, 22, 0, tzinfo=UTC)
ONCE = HttpLimits(connections=16, per_minute=0, timeout=5.0, attempts=1, retry_wait=0.0)
COLUMNS = ["date", "open", "high", "low", "close", "adjusted_close", "volume"]
ROOT = Path(__file__).parents[4]


def limits_of(**changed: float) -> HttpLimits:
    return HttpLimits(**{**vars(ONCE), **changed})


def codes_of(source: Served) -> list[str]:
    return [f"{name}.US" for name in source.market.codes("US", AS_OF)]


def run(
    url: str,
    codes: Sequence[str],
    in_flight: int = 8,
    progress: Callable[[int, int], None] = lambda codes, rows: None,
    limits: HttpLimits = ONCE,
) -> Received:
    async def fetched() -> Received:
        async with Http(limits) as http:
            return await fetch(Eodhd(http, url, "demo"), dict.fromkeys(codes, JUNE), in_flight, NOW, progress)

    return asyncio.run(fetched())


def outcomes(received: Received) -> dict[str, str]:
    return dict(received.fetches.select("code", "outcome").cast(pl.String).iter_rows())


def test_every_bar_of_every_code_comes_as_the_market_has_it(source: Served) -> None:
    codes = codes_of(source)
    received = run(source.url, codes)

    assert received.stopped_by is None
    assert received.bars.schema == RAW_PRICES.polars_schema
    assert received.fetches.schema == FETCHES.polars_schema
    assert sorted(received.fetches["code"]) == sorted(codes)
    for (code,), bars in received.bars.group_by("code"):
        wanted = source.market.bars(str(code), JUNE.first, JUNE.last)
        assert wanted is not None
        typed = bars.with_columns(pl.col("date").str.to_date(), pl.col("volume").cast(pl.Int64))
        assert_frame_equal(typed.select(wanted.columns), wanted)  # in the order in which they came
        assert bars["shard"].unique().to_list() == [shard_of(str(code), RAW_PRICES.shards)]
    assert received.bars["code"].n_unique() == len(codes)
    assert received.bars["fetched_at"].unique().to_list() == [NOW]


def test_each_code_has_its_outcome(source: Served) -> None:
    kinds = {"not_found": "unknown", "empty_list": "empty", "bare_number": "refused", "server_error": "failed"}
    source.faults = Faults.model_validate(dict.fromkeys(kinds, 0.15) | {"lasting": ["server_error"]})
    codes = codes_of(source)
    received = run(source.url, codes, in_flight=1)

    assert outcomes(received) == {code: kinds.get(source.faults.of_code(code) or "", "fetched") for code in codes}
    assert set(outcomes(received).values()) == {"fetched", *kinds.values()}
    fetches = {row["code"]: row for row in received.fetches.iter_rows(named=True)}
    assert {f["rows"] for f in fetches.values() if f["outcome"] == "fetched"} == {10}
    assert sum(f["rows"] for f in fetches.values()) == received.bars.height
    for found in fetches.values():
        assert (found["reason"] is not None) == (found["outcome"] in {"unknown", "refused", "failed"})
        assert (found["body"] is not None) == (found["outcome"] == "refused")
        assert found["fetched_at"] == NOW


def test_a_warning_is_kept_with_its_code() -> None:
    plan = Plan("short", history_days=20)
    with serve(SimulatedMarket(3, as_of=AS_OF), accounts=Accounts({"demo": plan})) as source:
        received = run(source.url, codes_of(source))

    assert received.fetches["warning"].str.contains("limited by one year").all()


def test_nothing_to_fetch_is_nothing(source: Served) -> None:
    received = run(source.url, [])

    assert (received.bars.height, received.fetches.height, received.stopped_by) == (0, 0, None)
    assert received.bars.schema == RAW_PRICES.polars_schema
    assert source.requests.total == 0


def test_progress_is_told_code_by_code(source: Served) -> None:
    told: list[tuple[int, int]] = []
    received = run(source.url, codes_of(source)[:20], progress=lambda codes, rows: told.append((codes, rows)))

    assert [codes for codes, _ in told] == list(range(1, 21))
    assert told == sorted(told)
    assert told[-1][1] == received.bars.height


@pytest.mark.parametrize("in_flight", [1, 3])
def test_there_are_no_more_requests_in_flight_than_allowed(in_flight: int) -> None:
    with scripted(lambda *_: answer()) as server:
        run(server.url, [f"C{n}.US" for n in range(30)], in_flight)

    assert len(server.paths) == 30
    assert server.most_at_once <= in_flight


def test_a_refused_token_stops_it_and_what_came_is_kept(source: Served) -> None:
    source.faults = Faults(unauthorized=0.05)
    codes = codes_of(source)
    refused = next(n for n, code in enumerate(codes) if source.faults.of_code(code))
    received = run(source.url, codes, in_flight=1)

    assert isinstance(received.stopped_by, AuthenticationError)
    assert 0 < refused < len(codes) - 1
    assert outcomes(received) == dict.fromkeys(codes[:refused], "fetched")
    assert received.bars["code"].n_unique() == refused
    assert source.requests.total == refused + 1


def test_codes_that_the_plan_does_not_cover_are_refused_one_by_one() -> None:
    market = SimulatedMarket(60, as_of=AS_OF)
    covered = frozenset(f"{name}.US" for name in market.codes("US", AS_OF)[55:])
    with serve(market, accounts=Accounts({"demo": Plan("small", codes=covered)})) as source:
        codes = codes_of(source)
        some, none = run(source.url, codes[10:]), run(source.url, codes[:10])

    assert some.stopped_by is None
    assert outcomes(some) == {code: "fetched" if code in covered else "refused" for code in codes[10:]}
    assert "does not have" in some.fetches.filter(outcome="refused")["reason"][0]
    assert isinstance(none.stopped_by, AuthenticationError)
    assert "whose plan covers this endpoint and these codes" in str(none.stopped_by)


def test_a_token_that_is_forbidden_everything_is_not_tried_with_every_code() -> None:
    nothing = Accounts({"demo": Plan("nothing", codes=frozenset())})
    with serve(SimulatedMarket(60, as_of=AS_OF), accounts=nothing) as source:
        received = run(source.url, [f"C{n}.US" for n in range(300)])

    assert isinstance(received.stopped_by, AuthenticationError)
    assert received.fetches.height < 100


@pytest.mark.parametrize("in_flight", [1, 16])
def test_a_used_up_quota_stops_it_and_what_came_is_kept(in_flight: int) -> None:
    with serve(SimulatedMarket(60, as_of=AS_OF), accounts=Accounts({"demo": Plan("few", daily_limit=25)})) as source:
        received = run(source.url, codes_of(source), in_flight)

    assert isinstance(received.stopped_by, QuotaExhausted)
    assert 25 - in_flight < received.fetches.height <= 25
    assert set(outcomes(received).values()) == {"fetched"}
    assert received.bars["code"].n_unique() == received.fetches.height
    assert source.requests.total <= 25 + in_flight


def test_it_stops_when_the_source_is_down_and_what_came_is_kept(source: Served) -> None:
    def go_down(codes: int, rows: int) -> None:
        if codes == 20:
            source.faults = Faults(reset=1.0, lasting=frozenset({"reset"}))

    received = run(source.url, codes_of(source), in_flight=4, progress=go_down)

    assert isinstance(received.stopped_by, TransientError)
    assert "failed 10 codes in a row. The last: GET http://127.0.0.1" in str(received.stopped_by)
    assert "run the same window again" in str(received.stopped_by)
    found = list(outcomes(received).values())
    assert found.count("fetched") >= 20
    assert found.count("failed") >= 10
    assert len(found) <= 20 + 4 + 10 + 4


def test_codes_that_fail_here_and_there_do_not_stop_it(source: Served) -> None:
    source.faults = Faults(server_error=0.4, lasting=frozenset({"server_error"}))
    received = run(source.url, codes_of(source), in_flight=4)

    assert received.stopped_by is None
    assert received.fetches.height == len(codes_of(source))
    assert list(outcomes(received).values()).count("failed") > 10


def test_it_can_be_cancelled(source: Served) -> None:
    source.faults = Faults(hang=1.0, lasting=frozenset({"hang"}))

    async def impatient() -> None:
        async with Http(ONCE) as http:
            await asyncio.wait_for(fetch(Eodhd(http, source.url, "demo"), {"A.US": JUNE}, 4, NOW, print), timeout=0.2)

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())


def test_a_fault_of_the_program_at_one_code_is_its_outcome_by_name() -> None:
    class Broken:
        async def bars(self, code: str, window: Window) -> Fetched:
            raise ZeroDivisionError

    received = asyncio.run(fetch(Broken(), {"A.US": JUNE}, 4, NOW, print))

    assert received.fetches.select(pl.col("outcome").cast(pl.String), "reason").rows() == [
        ("failed", "ZeroDivisionError:")
    ]


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**25), 10**25)
others = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
records = st.fixed_dictionaries(
    {"date": st.text(max_size=12), **dict.fromkeys(COLUMNS[1:], numbers)},
    optional={"warning": st.text(max_size=5), "code": others, "shard": others, "fetched_at": others, "x": others},
)


@given(
    st.lists(st.lists(records, min_size=1, max_size=4), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from([None, 2]),
)
def test_rows_are_what_the_strict_reader_of_the_answers_found(
    answers: list[list[dict[str, object]]],
    escaped: bool,  # noqa: FBT001
    indent: int | None,
) -> None:
    """One library judges a body, another makes rows of it: they must not disagree."""
    bodies = [json.dumps(a, ensure_ascii=escaped, indent=indent).encode("utf-8", "replace") for a in answers]
    received = [(f"C{n}.US", read_bars(Answer(200, {}, body))) for n, body in enumerate(bodies)]
    wanted = [
        (code, *(getattr(bar, name) for name in COLUMNS))
        for (code, _), body in zip(received, bodies, strict=True)
        for bar in _bars.decode(body)
    ]

    assert _rows(received, NOW).select("code", *COLUMNS).rows() == wanted


def test_bytes_that_are_no_text_in_a_field_that_is_not_read_do_no_harm() -> None:
    body = json.dumps([dict.fromkeys(COLUMNS, 1.0) | {"date": "2024-06-03", "x": "?"}]).encode().replace(b"?", b"\xff")
    fetched = read_bars(Answer(200, {}, body))

    assert fetched.outcome is Outcome.FETCHED
    assert _rows([("A.US", fetched)], NOW).height == 1


MEMORY = string.Template("""
import asyncio, json
from datetime import date, datetime, UTC
from tasks.extract.prices.eodhd import read_bars
from tasks.extract.http import Answer
from tasks.extract.prices.shard import fetch
from tasks.window import Window
from tests.peak_memory import peak_memory

bar = {"date": "2024-06-03", "open": 1.25, "high": 182.88, "low": 177.71, "close": 182.01, "adjusted_close": 179.2736,
       "volume": 104487900, "a field that is not read": "x" * 1000}

class Source:
    async def bars(self, code, window):
        return read_bars(Answer(200, {}, json.dumps([bar | {"open": n} for n in range(500)]).encode()))

window = Window(first=date(2024, 1, 1), last=date(2024, 6, 3))
codes = [f"C{n}.US" for n in range($codes)]
received = asyncio.run(fetch(Source(), dict.fromkeys(codes, window), 8, datetime.now(UTC), lambda codes, rows: None))
assert received.bars.height == 500 * $codes
print(peak_memory())
""")


def test_answers_are_not_kept_longer_than_it_takes_to_read_them() -> None:
    """Four hundred answers are 230 MB, the rows in them 16 MB."""

    def peak(codes: int) -> int:
        command = [sys.executable, "-c", MEMORY.substitute(codes=codes)]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    assert peak(400) < peak(1) + 150 * 1024  # KiB
