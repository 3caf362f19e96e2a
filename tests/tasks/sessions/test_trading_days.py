from datetime import date, timedelta

import polars as pl
import pytest

from tasks.errors import ConfigurationError
from tasks.sessions.trading_days import exchange_of, last_session, sessions
from tests.beside import BESIDE

REAL_PRICES = BESIDE / "prices"


@pytest.mark.skipif(not REAL_PRICES.is_dir(), reason="no folder of real prices beside the project")
@pytest.mark.parametrize("name", ["AAPL", "IBM", "MSFT"])
def test_new_york_sessions_are_the_dates_of_real_prices(name: str) -> None:
    dates = pl.read_csv(REAL_PRICES / f"{name}.csv", try_parse_dates=True)["Date"].sort().to_list()

    assert sessions("US", date(2000, 3, 1), date(2013, 3, 1)) == dates


def test_special_closings_of_new_york() -> None:
    assert sessions("US", date(2001, 9, 10), date(2001, 9, 17)) == [date(2001, 9, 10), date(2001, 9, 17)]
    assert sessions("US", date(2012, 10, 26), date(2012, 10, 31)) == [date(2012, 10, 26), date(2012, 10, 31)]
    assert sessions("US", date(2004, 6, 11), date(2004, 6, 11)) == []  # Reagan
    assert sessions("US", date(2025, 1, 9), date(2025, 1, 9)) == []  # Carter


@pytest.mark.parametrize("good_friday", [date(2000, 4, 21), date(2013, 3, 29), date(2024, 3, 29), date(2026, 4, 3)])
def test_good_friday_is_no_session(good_friday: date) -> None:
    assert sessions("US", good_friday, good_friday) == []
    assert sessions("US", good_friday - timedelta(days=1), good_friday) == [good_friday - timedelta(days=1)]


def test_a_short_day_is_a_session() -> None:
    assert sessions("US", date(2023, 11, 23), date(2023, 11, 24)) == [date(2023, 11, 24)]


@pytest.mark.parametrize(
    ("exchange", "closed"),
    [
        ("LSE", date(2022, 9, 19)),  # a state funeral
        ("XETRA", date(2024, 5, 1)),
        ("TO", date(2024, 7, 1)),
        ("PA", date(2024, 4, 1)),
        ("HK", date(2024, 2, 12)),
    ],
)
def test_other_exchanges_keep_their_own_holidays(exchange: str, closed: date) -> None:
    assert sessions(exchange, closed, closed) == []
    assert sessions("US", closed, closed) == [closed]


def test_riyadh_trades_on_sunday_and_not_on_friday() -> None:
    assert sessions("SR", date(2024, 5, 3), date(2024, 5, 5)) == [date(2024, 5, 5)]


def test_crypto_trades_every_day_and_currencies_on_weekdays() -> None:
    christmas_week = (date(2023, 12, 23), date(2023, 12, 26))

    assert len(sessions("CC", *christmas_week)) == 4
    assert sessions("FOREX", *christmas_week) == [date(2023, 12, 25), date(2023, 12, 26)]


def test_an_unknown_exchange_trades_on_weekdays() -> None:
    assert sessions("NOWHERE", date(2024, 1, 1), date(2024, 1, 7)) == [date(2024, 1, day) for day in range(1, 6)]


def test_a_range_that_ends_before_it_begins_has_no_session() -> None:
    assert sessions("US", date(2024, 1, 10), date(2024, 1, 5)) == []


def test_a_range_over_years_has_each_session_once() -> None:
    found = sessions("us", date(1999, 12, 30), date(2002, 1, 2))

    assert found[:3] == [date(1999, 12, 30), date(1999, 12, 31), date(2000, 1, 3)]
    assert found[-1] == date(2002, 1, 2)
    assert found == sorted(set(found))


def test_the_last_session_before_a_long_weekend() -> None:
    assert last_session("US", date(2024, 1, 15)) == date(2024, 1, 12)
    assert last_session("US", date(2024, 1, 16)) == date(2024, 1, 16)
    assert last_session("SHG", date(2024, 2, 18)) == date(2024, 2, 8)


def test_a_war_that_closes_the_exchange_for_months_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="US has no session in the 40 days up to 1914-11-15"):
        last_session("US", date(1914, 11, 15))


def test_the_exchange_of_a_code() -> None:
    assert exchange_of("AAPL.US") == "US"
    assert exchange_of("BRK.B.lse") == "LSE"
    assert exchange_of("AAPL") == "US"
