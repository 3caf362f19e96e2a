"""A bar of a day on which its exchange was closed is no bar of the week, unless the exchange traded after all."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from tasks.datasets import FETCHES, PRICE_MEASURES, RAW_PRICES
from tasks.lake import Lake, open_lake
from tasks.sessions.trading_days import exchange_of, sessions
from tasks.transform.closed_days import closed_days
from tasks.transform.curate import Figures, curate
from tasks.transform.update_measures import update_measures
from tasks.window import Window
from tests.tasks.transform.examples import (
    WINDOW,
    curated,
    outcomes,
    prices,
    quarantined,
    raw_row,
    raw_rows,
    receive,
)

CLOSED = "the exchange was closed that day"
FRIDAY, SATURDAY = date(2024, 1, 5), date(2024, 1, 6)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path))


def week(*codes: str, friday: float = 104.0, saturday: float | None = 107.0, fetched: float = 0) -> pl.DataFrame:
    """A bar of each code on a Friday and on the Saturday after it."""
    closes = {FRIDAY: friday, SATURDAY: saturday}
    rows = [
        raw_row(code, str(day), fetched, high=200.0, close=close, adjusted_close=close)
        for code in codes
        for day, close in closes.items()
        if close
    ]
    return raw_rows(*rows)


def test_a_bar_of_a_saturday_does_not_become_the_close_of_the_week(lake: Lake) -> None:
    receive(lake, week("A.US"))
    assert curated(lake) == Figures(received=2, quarantined=1, added=1)
    assert quarantined(lake).select("date", "close", "reasons").rows() == [(str(SATURDAY), 107.0, CLOSED)]
    update_measures(lake, "test")
    (measure,) = lake.read(PRICE_MEASURES, lake.partitions(PRICE_MEASURES)).collect().rows(named=True)
    assert (measure["session"], measure["close"]) == (FRIDAY, 104.0)


@pytest.mark.parametrize(
    ("code", "day", "closed"),
    [
        ("A.US", "2024-03-29", True),  # Good Friday
        ("A.US", "2001-09-12", True),
        ("A.SR", "2024-01-05", True),  # a Friday in Riyadh
        ("A.SR", "2024-01-07", False),
        ("A.LSE", "1999-12-27", False),  # before its calendar begins
        ("A.LSE", "1999-12-25", False),
        ("BTC-USD.CC", "2024-01-06", False),
        ("EURUSD.FOREX", "2024-01-07", False),  # which no calendar is known of
        ("A.TA", "2024-01-07", False),  # Tel Aviv trades on Sundays, and no calendar is known
        ("A.US", "1914-11-15", True),
        ("A.US", "0001-01-01", False),
        ("A.US", "9999-12-31", False),
        ("A.US", "soon", False),
    ],
)
def test_only_a_calendar_that_is_known_says_that_an_exchange_was_closed(lake: Lake, code, day, closed) -> None:
    receive(lake, raw_row(code, day))
    found = closed_days(lake, lake.partitions(RAW_PRICES))
    assert found.rows() == ([(exchange_of(code), date.fromisoformat(day))] if closed else [])


@pytest.mark.parametrize(
    ("saturday", "friday", "traded"), [(20, 20, True), (11, 20, True), (10, 20, False), (9, 0, False), (10, 0, True)]
)
def test_most_codes_overrule_the_calendar(lake: Lake, saturday: int, friday: int, *, traded: bool) -> None:
    """Bombay trades on some Saturdays, which no calendar knows."""
    names = [f"C{n}.NSE" for n in range(20)]
    bars = week(*names).filter(
        ((pl.col("date") == str(FRIDAY)) & pl.col("code").is_in(names[:friday]))
        | ((pl.col("date") == str(SATURDAY)) & pl.col("code").is_in(names[:saturday]))
    )
    receive(lake, bars)
    figures = curated(lake)
    assert figures.quarantined == (0 if traded else saturday)


def test_a_history_that_is_fetched_again_has_the_saturday_that_was_traded(lake: Lake) -> None:
    names = [f"C{n}.NSE" for n in range(20)]
    receive(lake, week(*names))
    curated(lake)
    later = Window(first=date(2024, 2, 1), last=date(2024, 2, 7))
    span = Window(first=FRIDAY, last=SATURDAY)
    asked = outcomes((names[0], "fetched", None, 1.0), span=span)
    receive(lake, week(names[0], friday=52.0, saturday=53.5, fetched=1), later, asked, "history=00000-of-00001")
    assert curated(lake, later) == Figures(received=2, revised=2)
    assert prices(lake).height == 40


def test_a_bar_that_was_stored_before_is_withdrawn(lake: Lake) -> None:
    """By a version that knew no calendar."""
    receive(lake, week("A.US"), fetches=outcomes(("A.US", "fetched", None, 0.0), span=WINDOW))
    folder = f"window={WINDOW}/"
    raw, fetches = (lake.partitions(d, folder) for d in (RAW_PRICES, FETCHES))
    curate(lake, WINDOW, raw, fetches, "test", ["us"])
    assert prices(lake).height == 2
    receive(lake, week("A.US", fetched=1), fetches=outcomes(("A.US", "fetched", None, 1.0), span=WINDOW))
    assert curated(lake) == Figures(received=2, quarantined=1, unchanged=1, withdrawn=1)
    assert prices(lake)["date"].to_list() == [FRIDAY]


def test_a_saturday_counts_against_the_session_before_a_long_closing(lake: Lake) -> None:
    """The Chinese New Year: the last session is nine days before."""
    day = date(2024, 2, 17)
    assert sessions("SHG", day - timedelta(days=8), day) == []
    names = [f"C{n}.SHG" for n in range(30)]
    receive(lake, raw_rows(*(raw_row(n, "2024-02-08") for n in names), *(raw_row(n, str(day)) for n in names[:14])))
    assert closed_days(lake, lake.partitions(RAW_PRICES)).rows() == [("SHG", day)]


def test_an_exchange_whose_calendar_is_ignored_is_never_closed(lake: Lake) -> None:
    receive(lake, week("A.US", "A.KO"))
    assert closed_days(lake, lake.partitions(RAW_PRICES), ["KO"]).rows() == [("US", SATURDAY)]
