"""Windows: inclusive, in order, and the same whenever they are computed."""

import pickle
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import ConfigurationError
from tasks.window import Window

JANUARY = Window(first=date(2024, 1, 1), last=date(2024, 1, 31))


def test_both_ends_are_in_the_window() -> None:
    assert JANUARY.days == 31
    assert Window(first=date(2024, 1, 1), last=date(2024, 1, 1)).days == 1


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"ends on 2024-01-01, before it starts on 2024-01-02\. Give the"):
        Window(first=date(2024, 1, 2), last=date(2024, 1, 1))


def test_a_window_of_so_many_days_ends_with_the_last() -> None:
    assert Window.up_to(date(2024, 1, 7), 7) == Window(first=date(2024, 1, 1), last=date(2024, 1, 7))
    assert Window.up_to(date(2024, 1, 7), 1) == Window(first=date(2024, 1, 7), last=date(2024, 1, 7))


def test_reaching_back_moves_the_first_day_only() -> None:
    assert JANUARY.reaching_back(7) == Window(first=date(2023, 12, 25), last=date(2024, 1, 31))
    assert JANUARY.reaching_back(0) == JANUARY


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Window.up_to(date(2024, 1, 7), 0), "window of 0 days has no day"),
        (lambda: Window.up_to(date(2024, 1, 7), 800_000), "no date 799999 days before 2024-01-07"),
        (lambda: JANUARY.reaching_back(-1), "reach back -1 days"),
        (lambda: JANUARY.reaching_back(10**12), "no date 1000000000000 days before"),
        (lambda: Window.parse("2024-01-01"), "'2024-01-01' is not a window"),
        (lambda: Window.parse("2024-01-01_2024-02-30"), "is not a window"),
        (lambda: Window.parse("2024-01-01_2024-01-02_2024-01-03"), "is not a window"),
        (lambda: Window.parse("2024-01-02_2024-01-01"), "ends on 2024-01-01, before it starts"),
    ],
)
def test_what_is_no_window_is_refused(make, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        make()


@given(st.dates(), st.dates())
def test_a_window_is_told_by_its_name(one: date, other: date) -> None:
    window = Window(first=min(one, other), last=max(one, other))

    assert Window.parse(str(window)) == window
    assert Window.model_validate_json(window.model_dump_json()) == window
    assert pickle.loads(pickle.dumps(window)) == window


@given(st.dates(), st.integers(0, 2000))
def test_years_are_those_of_its_days(first: date, more: int) -> None:
    last = min(date.max.toordinal(), first.toordinal() + more)
    window = Window(first=first, last=date.fromordinal(last))

    assert list(window.years()) == sorted({(first + timedelta(days=n)).year for n in range(window.days)})


def test_a_window_does_not_change_and_can_be_a_key() -> None:
    with pytest.raises(ValueError, match="frozen"):
        JANUARY.first = date(2023, 1, 1)  # type: ignore[misc]

    assert {JANUARY: 1}[Window.parse("2024-01-01_2024-01-31")] == 1
