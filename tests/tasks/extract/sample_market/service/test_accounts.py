"""Tokens, plans, the limit of a minute and the quota of a day."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tasks.extract.sample_market import DEMO, FREE, PAID, Accounts, Dialect, Served, SimulatedMarket, serve
from tests.tasks.extract.sample_market.conftest import Clock

WEEK = {"from": "2024-06-24", "fmt": "json"}
TOKENS = {
    "paid": PAID,
    "free": FREE,
    "demo": DEMO,
    "slow": replace(PAID, minute_limit=3),
    "poor": replace(PAID, daily_limit=150, extra_limit=50),
}


@pytest.fixture
def limited(market: SimulatedMarket, clock: Clock) -> Iterator[Served]:
    with serve(market, accounts=Accounts(TOKENS, clock)) as served:
        yield served


@pytest.fixture
def client(limited: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=limited.url, timeout=30) as client:
        yield client


def ask(client: httpx.Client, token: str, path: str = "/eod/AAPL.US", **query: str) -> httpx.Response:
    return client.get(path, params=WEEK | {"api_token": token} | query)


def used(client: httpx.Client, token: str) -> int:
    return int(ask(client, token, "/internal-user").json()["apiRequests"])


@pytest.mark.parametrize("query", [{}, {"api_token": "wrong"}])
def test_a_token_that_is_missing_or_unknown_is_refused(client: httpx.Client, query: dict[str, str]) -> None:
    answer = client.get("/eod/AAPL.US", params=query)

    assert answer.status_code == 401
    assert answer.json()["error"] == "Unauthorized"
    assert answer.headers["X-RateLimit-Limit"] == "1000"


def test_the_other_ways_of_refusing(limited: Served, client: httpx.Client) -> None:
    limited.dialect = Dialect(error_body="html", bad_token=403)
    page = ask(client, "wrong")
    limited.dialect = Dialect(error_body="short_json")
    short = ask(client, "wrong")

    assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=UTF-8")
    assert "<h1>403 Forbidden</h1>" in page.text
    assert (short.status_code, short.json()["code"]) == (401, 401)


def test_every_answer_tells_what_remains_of_the_minute(client: httpx.Client) -> None:
    answers = [ask(client, "paid"), ask(client, "paid", "/eod/NOPE.US"), ask(client, "paid", "/internal-user")]

    assert [a.headers["X-RateLimit-Remaining"] for a in answers] == ["999", "998", "997"]
    assert {a.headers["X-RateLimit-Limit"] for a in answers} == {"1000"}


def test_more_than_a_minute_s_requests_are_refused_until_it_is_over(client: httpx.Client, clock: Clock) -> None:
    assert [ask(client, "slow").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = ask(client, "slow")
    assert (refused.headers["Retry-After"], refused.headers["X-RateLimit-Remaining"]) == ("60", "0")
    assert ask(client, "paid").status_code == 200

    clock.forward(seconds=59)
    assert ask(client, "slow").status_code == 429
    clock.forward(seconds=1)
    assert ask(client, "slow").status_code == 200


def test_a_refusal_may_say_when_as_a_date_or_not_at_all(limited: Served, client: httpx.Client, clock: Clock) -> None:
    for _ in range(3):
        ask(client, "slow")
    limited.dialect = Dialect(retry_after="date")
    dated = ask(client, "slow").headers["Retry-After"]
    limited.dialect = Dialect(retry_after="none")

    assert parsedate_to_datetime(dated) == datetime(2024, 6, 28, 22, 1, tzinfo=UTC)
    assert "Retry-After" not in ask(client, "slow").headers


def test_what_calls_cost(client: httpx.Client) -> None:
    ask(client, "paid")
    assert used(client, "paid") == 1
    ask(client, "paid", **{"from": "2000-01-01"})
    assert used(client, "paid") == 2
    ask(client, "paid", "/eod/NOPE.US")
    assert used(client, "paid") == 3
    ask(client, "paid", "/eod-bulk-last-day/US", symbols="AAPL,MSFT")
    assert used(client, "paid") == 105
    ask(client, "paid", fmt="nonsense")
    assert used(client, "paid") == 105


def test_a_used_up_day_is_refused_until_midnight_in_greenwich(client: httpx.Client, clock: Clock) -> None:
    assert [ask(client, "free").status_code for _ in range(21)] == [200] * 20 + [402]
    assert used(client, "free") == 20

    clock.forward(hours=1, minutes=59)
    assert ask(client, "free").status_code == 402
    clock.forward(minutes=1)
    assert ask(client, "free").status_code == 200
    assert used(client, "free") == 1


def test_calls_bought_beside_the_daily_ones_last_for_ever_but_once(client: httpx.Client, clock: Clock) -> None:
    bulk, symbols = "/eod-bulk-last-day/US", ",".join(["AAPL"] * 60)
    assert ask(client, "poor", bulk, symbols=symbols).status_code == 200  # 160 calls, 10 of them bought
    assert ask(client, "poor", "/internal-user").json() == {
        "apiRequests": 160,
        "apiRequestsDate": "2024-06-28",
        "dailyRateLimit": 150,
        "extraLimit": 40,
    }
    assert ask(client, "poor", bulk, symbols=symbols).status_code == 402

    clock.forward(hours=2)
    assert ask(client, "poor", bulk, symbols=symbols).status_code == 200
    assert ask(client, "poor", "/internal-user").json()["extraLimit"] == 30


def test_a_free_plan_has_one_year_and_says_so_in_the_last_record(client: httpx.Client) -> None:
    bars = ask(client, "free", **{"from": "2000-01-01"}).json()

    assert bars[0]["date"] == "2023-06-29"
    assert bars[-1]["warning"] == "Data is limited by one year as you have free subscription."
    assert all("warning" not in bar for bar in bars[:-1])
    assert ask(client, "free", **{"from": "2020-01-01", "to": "2020-12-31"}).json() == []


def test_an_endpoint_outside_the_plan_is_forbidden(client: httpx.Client) -> None:
    answer = ask(client, "free", "/eod-bulk-last-day/US")

    assert answer.status_code == 403
    assert "the free plan does not have eod-bulk-last-day" in answer.json()["message"]


def test_the_demo_token_has_a_handful_of_codes(client: httpx.Client, market: SimulatedMarket) -> None:
    assert [ask(client, "demo", f"/eod/{code}").status_code for code in ("VTI.US", "BTC-USD.CC")] == [200, 200]
    assert ask(client, "demo", f"/eod/{market.codes('US')[20]}.US").status_code == 403


def test_an_open_market_has_no_limits(api: httpx.Client, market: SimulatedMarket) -> None:
    answers = [api.get("/internal-user") for _ in range(1001)]

    assert {answer.status_code for answer in answers} == {200}
    assert api.get(f"/eod/{market.codes('US')[20]}.US", params=WEEK).status_code == 200
    assert int(answers[-1].headers["X-RateLimit-Remaining"]) > 100_000
