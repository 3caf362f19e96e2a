"""Faults: each shows itself as it is called, at its rate, and the same at every run."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import date
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tasks.errors import ConfigurationError
from tasks.extract.sample_market import Dialect, Faults, Served, SimulatedMarket, serve
from tasks.extract.sample_market.faults.faults import LASTING, PASSING

YEAR = {"api_token": "demo", "fmt": "json", "from": "2023-07-03"}
WEEK = YEAR | {"from": "2024-06-24"}


@pytest.fixture(scope="module")
def faulty(market: SimulatedMarket) -> Iterator[Served]:
    with serve(market) as served:
        yield served


@pytest.fixture
def client(faulty: Served) -> Iterator[httpx.Client]:
    faulty.faults, faulty.dialect = Faults(), Dialect()
    with httpx.Client(base_url=faulty.url, params=WEEK, timeout=10) as client:
        yield client


def outcome(client: httpx.Client, code: str, query: dict[str, str] = WEEK, timeout: float = 10) -> str:
    """What a client sees of one request."""
    try:
        answer = client.get(f"/eod/{code}.US", params=query, timeout=timeout)
    except httpx.TransportError as error:
        return type(error).__name__
    if answer.status_code != 200:
        return str(answer.status_code)
    try:
        value = answer.json()
    except ValueError:
        return "html" if answer.headers["content-type"].startswith("text/html") else "no json"
    return type(value).__name__ if value else "empty"


SEEN = {
    "rate_limited": "429",
    "server_error": "500",
    "bad_gateway": "502",
    "unavailable": "503",
    "unavailable_silent": "503",
    "reset": "ReadError",
    "cut_off": "RemoteProtocolError",
    "html_page": "html",
    "broken_json": "no json",
    "unauthorized": "401",
    "quota_used_up": "402",
    "forbidden": "403",
    "not_found": "404",
    "empty_list": "empty",
    "bare_number": "float",
}


@pytest.mark.parametrize(("fault", "seen"), SEEN.items())
def test_each_fault_at_its_rate_and_the_same_again(
    faulty: Served, client: httpx.Client, market: SimulatedMarket, fault: str, seen: str
) -> None:
    codes = market.codes("US")[:100]
    faults = Faults.model_validate({fault: 0.3, "seed": 5})
    faulty.faults = faults
    first = [outcome(client, code) for code in codes]
    faulty.faults = faults
    again = [outcome(client, code) for code in codes]

    assert again == first
    assert 15 <= first.count(seen) <= 45
    assert set(first) == {seen, "list"} or set(first) == {seen, "list", "empty"}  # some are delisted


def test_a_passing_fault_is_healed_by_trying_again(
    faulty: Served, client: httpx.Client, market: SimulatedMarket
) -> None:
    codes = market.codes("US", date(2024, 6, 24))[:60]
    faulty.faults = Faults(rate_limited=0.2, server_error=0.2, reset=0.1)

    attempts = {code: [outcome(client, code) for _ in range(15)] for code in codes}

    first_tries = Counter(seen[0] for seen in attempts.values())
    assert first_tries.keys() == {"list", "429", "500", "ReadError"}
    assert all("list" in seen for seen in attempts.values())


@pytest.mark.parametrize("fault", [*(f for f in LASTING if f in SEEN), "server_error"])
def test_a_lasting_fault_is_not(faulty: Served, client: httpx.Client, market: SimulatedMarket, fault: str) -> None:
    passing = fault in PASSING
    faults = Faults.model_validate({fault: 0.2, "lasting": [fault] if passing else []})
    faulty.faults = faults
    codes = market.codes("US", date(2024, 6, 24))[:60]

    hit = [code for code in codes if faults.of_code(f"{code}.US") == fault]
    assert 3 <= len(hit) <= 24
    for code in hit:
        assert [outcome(client, code) for _ in range(4)] == [SEEN[fault]] * 4
        assert outcome(client, code, YEAR) == SEEN[fault]
    well = next(code for code in codes if code not in hit)
    assert outcome(client, well) == "list"


def test_a_test_can_know_beforehand_which_attempt_fails(faulty: Served, client: httpx.Client) -> None:
    faults = Faults(seed=3, server_error=0.5)
    faulty.faults = faults
    name = "/api/eod/AAPL.US?fmt=json&from=2024-06-24"

    expected = ["500" if faults.passing(name, attempt) else "list" for attempt in range(1, 11)]

    assert [outcome(client, "AAPL") for _ in range(10)] == expected
    assert len(set(expected)) == 2


def test_another_seed_fails_others(market: SimulatedMarket) -> None:
    codes = [f"{name}.US" for name in market.codes("US")]
    chosen = [{code for code in codes if Faults(seed=seed, empty_list=0.3).of_code(code)} for seed in (1, 2)]

    assert chosen[0] != chosen[1]


def test_rates_hold_beside_each_other() -> None:
    faults = Faults(rate_limited=0.1, reset=0.05, slow=0.25, missing_field=0.02, not_found=0.03)

    passing = Counter(faults.passing(f"request {n}", 1) for n in range(20_000))
    of_code = Counter(faults.of_code(f"CODE{n}.US") for n in range(20_000))

    # Two that strike at once make room for each other, so that each is met a little less often than it is drawn.
    assert 1 - passing[None] / 20_000 == pytest.approx(1 - 0.9 * 0.95 * 0.75, rel=0.05)
    assert 1 - of_code[None] / 20_000 == pytest.approx(1 - 0.98 * 0.97, rel=0.1)
    for name, rate in {"rate_limited": 0.1, "reset": 0.05, "slow": 0.25}.items():
        assert 0.8 * rate < passing[name] / 20_000 < rate


def test_everything_at_a_tenth_leaves_some_requests_unharmed() -> None:
    faults = Faults.model_validate(dict.fromkeys(PASSING, 0.1))
    met = Counter(faults.passing(f"request {n}", 1) for n in range(5_000))
    assert set(met) == {None, *PASSING}
    assert met[None] / 5_000 == pytest.approx(0.9 ** len(PASSING), rel=0.1)


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"reset": 1.5}, "The rate of reset is 1.5"),
        ({"slow": -0.1}, "The rate of slow is -0.1"),
        ({"lasting": ["not_found"]}, "not_found cannot be made lasting"),
    ],
)
def test_rates_that_make_no_sense_are_refused(rates: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Faults.model_validate(rates)


@pytest.mark.parametrize("fault", ["rate_limited", "unavailable"])
def test_how_long_to_wait_is_said(faulty: Served, client: httpx.Client, fault: str) -> None:
    faulty.faults = Faults.model_validate({fault: 1, "retry_after_seconds": 3})
    seconds = client.get("/eod/AAPL.US").headers["Retry-After"]
    faulty.dialect = Dialect(retry_after="date")
    dated = client.get("/eod/AAPL.US")
    faulty.dialect = Dialect(retry_after="none")

    assert seconds == "3"
    wait = parsedate_to_datetime(dated.headers["Retry-After"]) - parsedate_to_datetime(dated.headers["Date"])
    assert 2 <= wait.total_seconds() <= 4
    assert "Retry-After" not in client.get("/eod/AAPL.US").headers


def test_a_silent_unavailability_does_not_say(faulty: Served, client: httpx.Client) -> None:
    faulty.faults = Faults(unavailable_silent=1)

    assert "Retry-After" not in client.get("/eod/AAPL.US").headers


def test_a_bad_gateway_is_a_page_of_the_proxy(faulty: Served, client: httpx.Client) -> None:
    faulty.faults = Faults(bad_gateway=1)
    answer = client.get("/eod/AAPL.US")

    assert answer.headers["content-type"].startswith("text/html")
    assert "502 Bad Gateway" in answer.text


def test_a_cut_off_body_promises_more_than_comes(faulty: Served, client: httpx.Client) -> None:
    faulty.faults = Faults(cut_off=1)

    with client.stream("GET", "/eod/AAPL.US") as answer:
        received = b""
        with contextlib.suppress(httpx.RemoteProtocolError):
            for chunk in answer.iter_raw():
                received += chunk
    assert 0 < len(received) < int(answer.headers["content-length"])
    assert received.startswith(b'[{"date"')
    assert "X-RateLimit-Remaining" in answer.headers


def test_a_slow_answer_comes_late_and_right(faulty: Served, client: httpx.Client) -> None:
    right = client.get("/eod/AAPL.US").json()
    faulty.faults = Faults(slow=1, slow_seconds=0.4)

    assert outcome(client, "AAPL", timeout=0.1) == "ReadTimeout"
    answer = client.get("/eod/AAPL.US")
    assert answer.json() == right
    assert answer.elapsed.total_seconds() >= 0.4
    assert "X-RateLimit-Remaining" in answer.headers


def test_an_answer_that_never_comes(faulty: Served, client: httpx.Client) -> None:
    faulty.faults = Faults(hang=1)
    assert outcome(client, "AAPL", timeout=0.2) == "ReadTimeout"

    faulty.faults = Faults()
    assert outcome(client, "AAPL") == "list"


def test_the_answer_for_an_unknown_code_may_be_lost_too(faulty: Served, client: httpx.Client) -> None:
    assert outcome(client, "NOPE") == "404"
    faulty.faults = Faults(reset=1)
    assert outcome(client, "NOPE") == "ReadError"


def test_faults_of_a_request_meet_the_bulk_answer_too(faulty: Served, client: httpx.Client) -> None:
    faulty.faults = Faults(server_error=1)

    assert client.get("/eod-bulk-last-day/US").status_code == 500


def test_an_error_costs_no_call_but_an_unknown_code_does(faulty: Served, client: httpx.Client) -> None:
    def used() -> int:
        return int(client.get("/internal-user").json()["apiRequests"])

    before = used()
    faulty.faults = Faults(server_error=1)
    outcome(client, "AAPL")
    assert used() == before
    faulty.faults = Faults(not_found=1)
    outcome(client, "AAPL")
    assert used() == before + 1


def damaged_records(
    faulty: Served, client: httpx.Client, fault: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[bool]]:
    """A year of one code without the fault and with it, and which of the first are damaged."""
    sound = client.get("/eod/AAPL.US", params=YEAR).json()
    faults = Faults.model_validate({fault: 1})
    faulty.faults = faults
    spoilt = client.get("/eod/AAPL.US", params=YEAR).json()
    assert client.get("/eod/AAPL.US", params=YEAR).json() == spoilt
    bars = faulty.market.bars("AAPL.US", date(2023, 7, 3), date(2024, 6, 28))
    assert bars is not None
    hit = faults.damaged("AAPL.US", bars["date"]).to_list()
    assert 0.1 < sum(hit) / len(hit) < 0.3
    return sound, spoilt, hit


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("missing_field", lambda r: {k: v for k, v in r.items() if k != "close"}),
        ("null_number", lambda r: r | {"close": None}),
        ("text_number", lambda r: r | {"close": "n/a"}),
        ("negative_price", lambda r: r | {"close": -r["close"]}),
    ],
)
def test_records_spoilt_one_by_one(faulty: Served, client: httpx.Client, fault: str, changed: Any) -> None:
    sound, spoilt, hit = damaged_records(faulty, client, fault)

    assert spoilt == [changed(record) if bad else record for record, bad in zip(sound, hit, strict=True)]


def test_records_whose_high_is_below_their_low(faulty: Served, client: httpx.Client) -> None:
    _, spoilt, hit = damaged_records(faulty, client, "high_below_low")

    assert [record["high"] < record["low"] for record in spoilt] == hit


def test_records_that_come_twice(faulty: Served, client: httpx.Client) -> None:
    sound, spoilt, hit = damaged_records(faulty, client, "duplicate_records")

    assert len(spoilt) == len(sound) + sum(hit)
    assert [a for a, b in pairwise(spoilt) if a == b] == [r for r, bad in zip(sound, hit, strict=True) if bad]


def test_records_that_contradict_each_other(faulty: Served, client: httpx.Client) -> None:
    sound, spoilt, hit = damaged_records(faulty, client, "conflicting_records")

    pairs = [(a, b) for a, b in pairwise(spoilt) if a["date"] == b["date"]]
    assert [a for a, _ in pairs] == [r for r, bad in zip(sound, hit, strict=True) if bad]
    assert all(a["close"] != b["close"] for a, b in pairs)


def test_damage_does_not_depend_on_the_range_asked_for(faulty: Served, client: httpx.Client) -> None:
    _, spoilt, _ = damaged_records(faulty, client, "null_number")

    june = client.get("/eod/AAPL.US", params=YEAR | {"from": "2024-06-01"}).json()
    assert june == [record for record in spoilt if record["date"] >= "2024-06-01"]


def test_damage_shows_in_csv_too(faulty: Served, client: httpx.Client) -> None:
    faulty.faults = Faults(text_number=1, damaged_rows=1)

    lines = client.get("/eod/AAPL.US", params={"fmt": "csv"}).text.splitlines()
    assert lines[0] == "Date,Open,High,Low,Close,Adjusted_close,Volume"
    assert [line.split(",")[4] for line in lines[1:]] == ["n/a"] * 5


def test_records_outside_of_the_range(faulty: Served, client: httpx.Client) -> None:
    faulty.faults = Faults(outside_range=1)
    asked = {"from": "2024-05-20", "to": "2024-05-24"}

    days = [record["date"] for record in client.get("/eod/AAPL.US", params=asked).json()]

    assert days[0] == "2024-05-06"
    assert days[-1] == "2024-06-07"


def test_a_value_of_a_filter_is_spared_by_damage(faulty: Served, client: httpx.Client) -> None:
    faulty.faults = Faults(text_number=1, damaged_rows=1)

    assert isinstance(client.get("/eod/AAPL.US", params={"filter": "last_close"}).json(), float)
