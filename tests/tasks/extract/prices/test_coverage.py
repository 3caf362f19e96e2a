"""Which days a backfill fetches again."""

from datetime import date

from tasks.extract.prices.coverage import seams
from tasks.window import Window


def test_seams_are_the_last_days_of_what_was_there_beside_what_came() -> None:
    years = list(Window(first=date(2020, 1, 1), last=date(2023, 12, 31)).by_years(1))
    assert seams(years, years) == []
    assert seams(years, []) == []
    assert seams(years, years[2:3]) == [
        Window(first=date(2021, 12, 25), last=date(2021, 12, 31)),
        Window(first=date(2023, 12, 25), last=date(2023, 12, 31)),
    ]
