"""What is stored of prices is judged by the days on which their exchanges were open."""

from datetime import date
from pathlib import Path

import pytest

from tasks.choices import StoredDataset
from tasks.lake import Lake, open_lake
from tasks.quality.stored import check_stored
from tasks.window import Window
from tests.tasks.quality.examples import prices, store

GOOD_FRIDAY = date(2024, 3, 29)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Prices of all sessions of March 2024 but for the one before Good Friday."""
    lake = open_lake(str(tmp_path))
    store(lake, prices(date(2024, 3, 1), date(2024, 3, 27)))
    return lake


@pytest.mark.parametrize(
    ("dataset", "first", "last", "passed"),
    [
        ("prices", date(2024, 3, 27), date(2024, 3, 28), True),
        ("prices", GOOD_FRIDAY, date(2024, 3, 31), True),
        ("prices", date(2024, 3, 23), date(2024, 3, 24), True),
        ("prices", date(2024, 3, 28), date(2024, 3, 31), False),
        # No measure is dated within a part of a week; one is due of a whole week.
        ("price_measures", date(2024, 3, 19), date(2024, 3, 23), True),
        ("price_measures", date(2024, 3, 18), date(2024, 3, 24), False),
        # Whose exchanges are not known.
        ("prices", date(2023, 3, 4), date(2023, 3, 5), False),
    ],
)
def test_rows_are_due_where_an_exchange_was_open(
    lake: Lake, dataset: StoredDataset, first: date, last: date, *, passed: bool
) -> None:
    (rows,) = [c for c in check_stored(lake, Window(first=first, last=last), [dataset])[dataset] if c.check == "rows"]
    assert rows.passed == passed, rows.detail
