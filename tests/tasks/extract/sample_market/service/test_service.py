"""`/api/eod`: the queries and the forms of the answer."""

from datetime import date

import httpx
import polars as pl
import pytest

from tasks.extract.sample_market import Served, SimulatedMarket

LAST_WEEK = {"from": "2024-06-24", "to": "2024-06-28"}


def expected(market: SimulatedMarket, code: str, first: date, last: date) -> list[dict[str, object]]:
    bars = market.bars(code, first, last)
    assert bars is not None
    return bars.with_columns(pl.col("date").cast(pl.String)).to_dicts()


def test_json_is_the_market_s_bars_in_the_documented_form(api: httpx.Client, market: SimulatedMarket) -> None:
    answer = api.get("/eod/AAPL.US", params=LAST_WEEK)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == expected(market, "AAPL.US", date(2024, 6, 24), date(2024, 6, 28))
    assert answer.text.startswith('[{"date":"2024-06-24","open":')
    assert list(answer.json()[0]) == ["date", "open", "high", "low", "close", "adjusted_close", "volume"]


def test_csv_is_the_default(served: Served, market: SimulatedMarket) -> None:
    answer = httpx.get(f"{served.url}/eod/AAPL.US", params={"api_token": "demo", **LAST_WEEK})

    assert answer.headers["content-type"].startswith("text/csv")
    lines = answer.text.splitlines()
    assert lines[0] == "Date,Open,High,Low,Close,Adjusted_close,Volume"
    first = expected(market, "AAPL.US", date(2024, 6, 24), date(2024, 6, 24))[0]
    assert lines[1] == ",".join(str(value) for value in first.values())
    assert len(lines) == 6


def test_without_dates_all_history_comes(api: httpx.Client) -> None:
    days = [bar["date"] for bar in api.get("/eod/MSFT.US").json()]

    assert (days[0], days[-1]) == ("2000-01-03", "2024-06-28")
    assert days == sorted(days)


def test_descending_order(api: httpx.Client) -> None:
    ascending = api.get("/eod/AAPL.US", params=LAST_WEEK).json()

    assert api.get("/eod/AAPL.US", params=LAST_WEEK | {"order": "d"}).json() == ascending[::-1]


@pytest.mark.parametrize("period", ["w", "m"])
def test_longer_periods_are_made_of_days(api: httpx.Client, period: str) -> None:
    days = api.get("/eod/AAPL.US", params={"from": "2024-05-01", "to": "2024-05-31"}).json()
    found = api.get("/eod/AAPL.US", params={"from": "2024-05-01", "to": "2024-05-31", "period": period}).json()

    assert len(found) == {"w": 5, "m": 1}[period]
    assert found[-1]["date"] == days[-1]["date"]
    assert found[-1]["close"] == days[-1]["close"]
    assert found[0]["open"] == days[0]["open"]
    assert max(bar["high"] for bar in found) == max(bar["high"] for bar in days)
    assert sum(bar["volume"] for bar in found) == sum(bar["volume"] for bar in days)


@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume", "date"])
def test_a_filter_answers_a_bare_value(api: httpx.Client, field: str) -> None:
    last = api.get("/eod/AAPL.US", params=LAST_WEEK).json()[-1]

    assert api.get("/eod/AAPL.US", params={"filter": f"last_{field}"}).json() == last[field]


def test_a_range_without_sessions_is_an_empty_list(api: httpx.Client) -> None:
    answer = api.get("/eod/AAPL.US", params={"from": "2024-06-22", "to": "2024-06-23"})

    assert (answer.status_code, answer.text) == (200, "[]")


def test_nothing_after_as_of_is_served(api: httpx.Client) -> None:
    days = [bar["date"] for bar in api.get("/eod/AAPL.US", params={"from": "2024-06-27", "to": "2030-01-01"}).json()]

    assert days == ["2024-06-27", "2024-06-28"]


@pytest.mark.parametrize("code", ["NOPE.US", "AAPL.LSE", "AAPL.NOWHERE"])
def test_an_unknown_code_is_not_found(api: httpx.Client, code: str) -> None:
    answer = api.get(f"/eod/{code}")

    assert answer.status_code == 404
    assert answer.json() == {"status": 404, "error": "Not Found", "message": "Ticker Not Found."}


def test_a_code_may_be_in_small_letters_and_without_its_exchange(api: httpx.Client) -> None:
    whole = api.get("/eod/AAPL.US", params=LAST_WEEK).json()

    assert api.get("/eod/aapl.us", params=LAST_WEEK).json() == whole
    assert api.get("/eod/AAPL", params=LAST_WEEK).json() == whole


def test_currencies_and_coins_are_there(api: httpx.Client) -> None:
    weekend = {"from": "2024-06-22", "to": "2024-06-23"}

    assert len(api.get("/eod/BTC-USD.CC", params=weekend).json()) == 2
    assert api.get("/eod/EURUSD.FOREX", params=weekend).json() == []


@pytest.mark.parametrize(
    ("name", "value"), [("from", "24-06-2024"), ("to", "yesterday"), ("fmt", "xml"), ("period", "y"), ("filter", "x")]
)
def test_a_parameter_that_makes_no_sense_is_refused(api: httpx.Client, name: str, value: str) -> None:
    answer = api.get("/eod/AAPL.US", params={name: value})

    assert answer.status_code == 422
    assert f"{name} '{value}'" in answer.json()["message"]


def test_only_reading_is_allowed(api: httpx.Client) -> None:
    assert api.post("/eod/AAPL.US").status_code == 405
