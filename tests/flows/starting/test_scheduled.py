"""The days of a run that was given none: every session that has closed and is published by then."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from flows.starting.scheduled import scheduled_window
from tasks.window import Window


def at(zone: str, day: int, hour: int, minute: int = 0) -> datetime:
    """Of June 2024, by the zone's clock. The 3rd is a Monday."""
    return datetime(2024, 6, day, hour, minute, tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("moment", "codes", "last"),
    [
        (at("America/New_York", 3, 21), None, 3),  # Monday evening: Monday's close
        (at("America/New_York", 3, 18, 59), None, 2),
        (at("America/New_York", 8, 6), None, 7),  # Saturday morning: the week that ended
        (at("Europe/Berlin", 4, 3), None, 3),  # 21:00 in New York, in the form of another zone
        (at("Asia/Tokyo", 4, 10), None, 3),
        (at("Europe/Berlin", 3, 21), ["SAP.XETRA"], 3),
        (at("Europe/Berlin", 3, 21), ["SAP.XETRA", "aapl"], 3),
        (at("Europe/Berlin", 3, 21), ["AAPL.US"], 2),
    ],
)
def test_the_window_ends_with_the_last_session_that_is_out(
    moment: datetime, codes: list[str] | None, last: int
) -> None:
    day = date(2024, 6, last)
    assert scheduled_window(moment, 3, codes) == Window.up_to(day, 3)


def test_whatever_the_zone_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_TIME_ZONE", "Asia/Tokyo")
    assert scheduled_window(at("America/New_York", 3, 21), 1).last == date(2024, 6, 3)


def test_a_source_that_is_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_SOURCE_DELAY_HOURS", "6")
    assert scheduled_window(at("America/New_York", 3, 21), 1).last == date(2024, 6, 2)


def test_an_exchange_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_EXCHANGE", "AU")
    assert scheduled_window(at("Australia/Sydney", 3, 20), 1).last == date(2024, 6, 3)
