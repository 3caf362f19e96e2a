"""What is missing: by code and day, of those that were over when the answers were given."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tasks.coverage.answers import missing
from tasks.sessions.closing_times import AsOf, last_day_over
from tasks.sessions.trading_days import sessions
from tasks.window import Window

DELAY = timedelta(hours=3)
BEGIN = date(2024, 6, 3)  # a Monday
LATER = datetime(2025, 1, 2, tzinfo=UTC)
JUNE = Window(first=BEGIN, last=date(2024, 6, 28))

Answer = tuple[str, str, datetime, date, date]


def frame(*answers: Answer) -> pl.DataFrame:
    schema: dict[str, Any] = {
        "code": pl.String,
        "outcome": pl.String,
        "fetched_at": pl.Datetime("us", "UTC"),
        "asked_first": pl.Date,
        "asked_last": pl.Date,
    }
    return pl.DataFrame(list(answers), schema=schema, orient="row")


def at(day: int, hour: int) -> datetime:
    """Of June 2024, in UTC: New York closes at 20."""
    return datetime(2024, 6, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("exchange", "moment", "day"),
    [
        ("US", at(4, 22), 3),
        ("US", at(4, 23), 4),
        ("us", at(8, 23), 8),  # a Saturday
        ("LSE", at(4, 19), 4),
        ("AU", at(4, 9), 3),
        ("AU", at(4, 10), 4),
        ("CC", at(5, 2), 3),
        ("CC", at(5, 3), 4),
        ("NOSUCH", at(5, 3), 4),
    ],
)
def test_a_day_is_over_when_its_session_has_closed_and_is_published(exchange: str, moment: datetime, day: int) -> None:
    assert last_day_over(exchange, moment, DELAY) == date(2024, 6, day)


def test_who_was_not_asked_is_missing_whoever_else_was() -> None:
    answers = frame(("A.US", "fetched", LATER, JUNE.first, JUNE.last))
    assert missing(answers, {"A.US": JUNE, "B.US": JUNE}, AsOf(LATER, DELAY)) == {"B.US": JUNE}


def test_an_answer_is_as_of_when_it_was_given() -> None:
    year = Window(first=BEGIN, last=date(2024, 12, 31))
    answers = frame(("A.US", "fetched", at(14, 22), year.first, year.last))  # an hour before Friday's close is out
    assert missing(answers, {"A.US": year}, AsOf(at(14, 22), DELAY)) == {}
    assert missing(answers, {"A.US": year}, AsOf(at(14, 23), DELAY)) == {
        "A.US": Window(first=date(2024, 6, 14), last=date(2024, 6, 14))
    }
    assert missing(answers, {"A.US": year}, AsOf(LATER, DELAY)) == {
        "A.US": Window(first=date(2024, 6, 14), last=date(2024, 12, 31))
    }


def test_days_without_a_session_are_never_missing() -> None:
    weekend = Window(first=date(2024, 6, 8), last=date(2024, 6, 9))
    assert missing(frame(), {"A.US": weekend}, AsOf(LATER, DELAY)) == {}
    assert missing(frame(), {"A.CC": weekend}, AsOf(LATER, DELAY)) == {"A.CC": weekend}


def test_answers_before_a_refetch_do_not_count_for_it() -> None:
    answers = frame(
        ("A.US", "fetched", at(29, 1), JUNE.first, JUNE.last), ("B.US", "fetched", at(30, 1), JUNE.first, JUNE.last)
    )
    assert list(missing(answers, {"A.US": JUNE, "B.US": JUNE}, AsOf(LATER, DELAY, at(30, 0)))) == ["A.US"]


_CODES = st.sampled_from(["A.US", "B.US", "C.CC"])
_DAYS = st.tuples(st.integers(0, 27), st.integers(0, 14)).map(
    lambda d: (BEGIN + timedelta(days=d[0]), BEGIN + timedelta(days=d[0] + d[1]))
)
_OUTCOMES = st.sampled_from(["fetched", "empty", "unknown", "missing", "refused", "failed"])
_MOMENTS = st.integers(0, 24 * 45).map(lambda hours: datetime(2024, 6, 1, tzinfo=UTC) + timedelta(hours=hours))


@settings(max_examples=60, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(st.lists(st.tuples(_CODES, _OUTCOMES, _MOMENTS, _DAYS), max_size=12), _DAYS, _MOMENTS, st.none() | _MOMENTS)
def test_what_is_missing_is_what_a_table_of_codes_and_days_says(
    given_: list[tuple[str, str, datetime, tuple[date, date]]],
    asked: tuple[date, date],
    now: datetime,
    since: datetime | None,
) -> None:
    window = Window(first=asked[0], last=asked[1])
    settled = {
        (code, first + timedelta(days=n))
        for code, outcome, moment, (first, last) in given_
        if outcome in ("fetched", "empty", "unknown") and (since is None or moment >= since)
        for n in range((last - first).days + 1)
        if first + timedelta(days=n) <= last_day_over(code.partition(".")[2], moment, DELAY)
    }
    expected = {}
    for code in ("A.US", "B.US", "C.CC"):
        exchange = code.partition(".")[2]
        days = [
            day
            for day in sessions(exchange, window.first, window.last)
            if day <= last_day_over(exchange, now, DELAY) and (code, day) not in settled
        ]
        if days:
            expected[code] = Window(first=days[0], last=days[-1])
    answers = frame(*((code, outcome, moment, *days) for code, outcome, moment, days in given_))
    assert missing(answers, dict.fromkeys(("A.US", "B.US", "C.CC"), window), AsOf(now, DELAY, since)) == expected
