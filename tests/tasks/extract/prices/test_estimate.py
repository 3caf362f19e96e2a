"""What a long range would take, against figures worked out by hand."""

from datetime import date, timedelta

import pytest

from tasks.errors import ConfigurationError
from tasks.extract.prices.estimate import SourceTerms, estimate
from tasks.window import Window

TWO_YEARS = list(Window(first=date(2022, 1, 1), last=date(2023, 12, 31)).by_years(1))


def terms(**changes: float) -> SourceTerms:
    fixed = {"machines": 2, "requests_per_minute": 620, "calls_per_day": 100_000, "seconds_to_start": 100}
    return SourceTerms(**{**fixed, "rows_per_second": 1e12, **changes})  # type: ignore[arg-type]


def test_the_rate_limit_is_shared_by_all_machines() -> None:
    """620 a minute are ten a second: no minute has more, wherever it begins."""
    found = estimate(TWO_YEARS, 6_000, terms())
    assert found.calls == 12_000
    assert found.duration == timedelta(seconds=100 + 12_000 / 10)
    assert estimate(TWO_YEARS, 6_000, terms(machines=1)).duration == found.duration


def test_a_day_s_quota_ends_the_day_and_gives_the_machines_back() -> None:
    found = estimate(TWO_YEARS, 6_000, terms(calls_per_day=9_000, machines=1))
    assert found.duration == timedelta(days=1, seconds=3_000 / 10)
    assert found.machine_hours == pytest.approx((100 + 12_000 / 10) / 3600)


def test_curating_is_done_by_machines_side_by_side() -> None:
    slow = {"rows_per_second": 1_000.0, "requests_per_minute": 6e9}
    rows = round(6_000 * 365 * 252 / 365.25)
    alone = estimate(TWO_YEARS, 6_000, terms(**slow, machines=1)).duration.total_seconds()
    together = estimate(TWO_YEARS, 6_000, terms(**slow)).duration.total_seconds()
    assert alone == pytest.approx(100 + 2 * rows / 1_000, abs=2)
    assert together == pytest.approx(100 + rows / 1_000, abs=2)


def test_the_price_is_of_machine_hours() -> None:
    found = estimate(TWO_YEARS, 6_000, terms(price_per_hour=2.0))
    assert found.cost == pytest.approx(found.machine_hours * 2.0)


def test_nothing_to_do_takes_nothing() -> None:
    assert estimate([], 6_000, terms()).duration == timedelta(0)


@pytest.mark.parametrize("name", ["machines", "requests_per_minute", "calls_per_day"])
def test_terms_under_which_nothing_is_ever_fetched_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="Give 1 or more"):
        estimate(TWO_YEARS, 6_000, terms(**{name: 0}))
