"""`/api/eod-bulk-last-day`: a whole exchange on one day."""

from datetime import date

import httpx
import pytest

from tasks.extract.sample_market import SimulatedMarket

BULK = "/eod-bulk-last-day/US"


def test_all_codes_of_the_last_session(api: httpx.Client, market: SimulatedMarket) -> None:
    rows = api.get(BULK).json()

    assert {row["code"] for row in rows} == set(market.codes("US", date(2024, 6, 28)))
    one = api.get("/eod/MSFT.US", params={"from": "2024-06-28"}).json()[0]
    assert rows[1] == {"code": "MSFT", "exchange_short_name": "US", **one}


def test_named_codes_of_a_day(api: httpx.Client) -> None:
    rows = api.get(BULK, params={"symbols": "MSFT,AAPL,NOPE", "date": "2024-06-03"}).json()

    assert [(row["code"], row["date"]) for row in rows] == [("MSFT", "2024-06-03"), ("AAPL", "2024-06-03")]


def test_a_day_without_a_session_has_no_rows(api: httpx.Client) -> None:
    assert api.get(BULK, params={"date": "2024-06-29"}).json() == []


def test_csv_is_the_default(api: httpx.Client) -> None:
    lines = api.get(BULK, params={"symbols": "AAPL", "fmt": "csv"}).text.splitlines()

    assert lines[0].startswith("Code,Exchange_short_name,Date,Open")
    assert lines[1].startswith("AAPL,US,2024-06-28,")


def test_extended_rows_say_what_changed(api: httpx.Client) -> None:
    row = api.get(BULK, params={"symbols": "AAPL", "filter": "extended"}).json()[0]
    year = api.get("/eod/AAPL.US").json()[-250:]

    assert row["prev_close"] == year[-2]["close"]
    assert row["change"] == pytest.approx(year[-1]["close"] - year[-2]["close"], abs=0.0001)
    assert row["hi_250d"] == max(bar["high"] for bar in year)
    assert row["lo_250d"] == min(bar["low"] for bar in year)


def test_splits_of_a_day(api: httpx.Client, market: SimulatedMarket) -> None:
    name, split = next((n, s) for n in market.codes("US") for s in market.splits(f"{n}.US"))

    rows = api.get(BULK, params={"type": "splits", "date": split.day.isoformat()}).json()

    wanted = f"{split.after}.000000/{split.before}.000000"
    assert {"code": name, "exchange": "US", "date": split.day.isoformat(), "split": wanted} in rows
    assert api.get(BULK, params={"type": "splits", "date": split.day.isoformat(), "symbols": "NOPE"}).json() == []


def test_dividends_of_a_day(api: httpx.Client, market: SimulatedMarket) -> None:
    name, dividend = next(
        (n, market.dividends(f"{n}.US")[0]) for n in market.codes("US") if market.dividends(f"{n}.US")
    )
    later = 1.0
    for split in market.splits(f"{name}.US"):
        later *= split.factor

    rows = api.get(BULK, params={"type": "dividends", "date": dividend.day.isoformat()}).json()

    row = next(row for row in rows if row["code"] == name)
    assert float(row["unadjustedValue"]) == dividend.amount
    assert float(row["dividend"]) == pytest.approx(dividend.amount * later, abs=1e-7)


def test_an_exchange_without_codes_is_not_found(api: httpx.Client) -> None:
    assert api.get("/eod-bulk-last-day/LSE").status_code == 404
