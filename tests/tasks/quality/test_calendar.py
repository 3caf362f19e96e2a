"""Sessions that codes lack, though the usual code has them, and bars of days on which nobody could trade."""

from datetime import date, timedelta

import polars as pl
import pytest

from tasks.quality.calendar import find_off_session, lacking, off_session
from tasks.sessions.trading_days import sessions
from tasks.window import Window

WINDOW = Window(first=date(2024, 2, 5), last=date(2024, 2, 16))
DAYS = sessions("US", WINDOW.first, WINDOW.last)
ILL = DAYS[4]


def bars(**codes: list[date]) -> pl.DataFrame:
    found = [(f"{code}.US", "US", day) for code, days in codes.items() for day in days]
    return pl.DataFrame(found, schema=["code", "exchange", "date"], orient="row")


def judged(prices: pl.DataFrame, limit: float = 0.5, window: Window = WINDOW) -> tuple[bool, float | None, str]:
    per_session = prices.group_by("exchange", "date").agg(rows=pl.len())
    spans = prices.group_by("code", "exchange").agg(first=pl.col("date").min(), last=pl.col("date").max())
    check = lacking(per_session, spans, window, limit)
    return check.passed, check.value, check.detail


def without(*days: date) -> list[date]:
    return [day for day in DAYS if day not in days]


def test_a_session_that_most_codes_lack_is_told_though_the_usual_one_is_whole() -> None:
    codes = {f"C{n}": without(ILL) if n < 8 else DAYS for n in range(10)}

    assert judged(bars(**codes)) == (False, 1.0, f"1 sessions that codes lack: US {ILL} (80% of 10 codes)")
    assert judged(bars(**codes), limit=0.8)[0]


def test_a_session_that_all_codes_lack_is_told() -> None:
    passed, _, detail = judged(bars(A=without(ILL), B=without(ILL)))
    assert not passed
    assert f"US {ILL} (100% of 2 codes)" in detail


@pytest.mark.parametrize("lacks", [without(ILL), [DAYS[0], DAYS[-1]], []])
def test_that_a_code_lacks_it_or_seldom_trades_is_no_such_session(lacks: list[date]) -> None:
    assert judged(bars(A=DAYS, B=DAYS, C=lacks))[0]


def test_codes_that_begin_or_end_elsewhere_lack_nothing() -> None:
    long = Window(first=date(2024, 1, 2), last=date(2024, 6, 28))
    days = sessions("US", long.first, long.last)
    codes = {f"C{n}": days for n in range(9)}
    codes |= {f"N{n}": days[80:] for n in range(6)} | {f"D{n}": days[:40] for n in range(6)}

    assert judged(bars(**codes), window=long)[0]


def test_a_holiday_is_no_session() -> None:
    day = date(2024, 2, 19)  # Washington's birthday
    longer = Window(first=WINDOW.first, last=day + timedelta(days=1))
    days = sessions("US", longer.first, longer.last)

    assert day not in days
    assert judged(bars(A=days, B=days), window=longer)[0]


def test_bars_of_days_on_which_the_exchange_was_closed_are_named() -> None:
    saturday, holiday = date(2024, 2, 17), date(2024, 2, 19)
    check = off_session(find_off_session(bars(A=[*DAYS, saturday], B=[holiday])))

    assert (check.severity, check.passed, check.value) == ("warning", False, 2.0)
    assert f"A.US {saturday}" in check.detail
    assert f"B.US {holiday}" in check.detail
    assert off_session(find_off_session(bars(A=DAYS))).passed
