"""What became of codes: the last attempt of each, and a failure of one of its parts is one of the code."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tasks.datasets import FETCHES
from tasks.lake import Change, Lake, open_lake
from tasks.lake.fetches import count_outcomes, fetches_within, last_outcomes
from tasks.window import Window

WINDOW = Window(first=date(2024, 1, 8), last=date(2024, 1, 14))
NEXT = Window(first=date(2024, 1, 15), last=date(2024, 1, 21))
NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)

Fetch = tuple[str, str, int]  # code, outcome, hours after noon


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path))


def fetch(lake: Lake, part: str, rows: Sequence[Fetch], window: Window = WINDOW) -> None:
    full = [
        (
            code,
            outcome,
            "so it said" if outcome != "empty" else None,
            None,
            0,
            None,
            NOON + timedelta(hours=hour),
            window.first,
            window.last,
        )
        for code, outcome, hour in rows
    ]
    frame = pl.DataFrame(full, schema=FETCHES.polars_schema, orient="row")
    lake.update(FETCHES, f"window={window}/{part}", lambda _: Change([frame], ()), "test")


def last(lake: Lake) -> dict[str, str]:
    return dict(last_outcomes(lake, lake.partitions(FETCHES)).select("code", "outcome").iter_rows())


def test_the_last_attempt_of_a_code_counts(lake: Lake) -> None:
    fetch(lake, "window=00000-of-00002", [("A.US", "failed", 0), ("B.US", "fetched", 0)])
    fetch(lake, "window=00001-of-00002", [("A.US", "fetched", 1), ("B.US", "unknown", 1)])
    assert last(lake) == {"A.US": "fetched", "B.US": "unknown"}
    assert count_outcomes(lake, WINDOW) == {"fetched": 1, "unknown": 1}


def test_a_code_of_which_one_part_failed_is_one_that_failed_wherever_it_is_counted(lake: Lake) -> None:
    fetch(lake, "window=00000-of-00001", [("A.US", "failed", 0), ("B.US", "fetched", 0)])
    fetch(lake, "history=00000-of-00001", [("A.US", "fetched", 1), ("B.US", "fetched", 1)])
    assert last(lake) == {"A.US": "failed", "B.US": "fetched"}
    assert count_outcomes(lake, WINDOW) == {"failed": 1, "fetched": 1}


def test_the_outcome_of_a_code_is_that_of_the_window_whatever_else_was_asked_of_it(lake: Lake) -> None:
    fetch(lake, "window=00000-of-00001", [("A.US", "empty", 0), ("B.US", "empty", 0)])
    fetch(lake, "witness=00000-of-00001", [("A.US", "fetched", 1), ("B.US", "refused", 1)])
    assert last(lake) == {"A.US": "empty", "B.US": "refused"}


def test_codes_are_counted_by_window_and_found_by_the_days_they_share(lake: Lake) -> None:
    fetch(lake, "window=00000-of-00001", [("A.US", "fetched", 0)])
    fetch(lake, "window=00000-of-00001", [("A.US", "empty", 1)], NEXT)
    assert count_outcomes(lake, WINDOW) == {"fetched": 1}
    both = Window(first=WINDOW.last, last=NEXT.first)
    assert len(fetches_within(lake, both)) == 2
    assert [s.partition for s in fetches_within(lake, NEXT)] == [f"window={NEXT}/window=00000-of-00001"]
    assert count_outcomes(lake, both) == {}
