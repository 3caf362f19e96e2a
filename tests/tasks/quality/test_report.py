"""The checks over a real lake, and their results in it."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.datasets import CURATED_WINDOWS, DATA_QUALITY, FETCHES, QUARANTINED_PRICES
from tasks.errors import ContractError
from tasks.lake import Lake, open_lake
from tasks.quality.checks import Check
from tasks.quality.report import check_prices, errors, refuse
from tasks.window import Window
from tests.tasks.quality.examples import CODES, FETCHED, prices, put, store

WINDOW = Window(first=date(2024, 1, 8), last=date(2024, 1, 14))  # Monday to Sunday


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path))


def fetch(lake: Lake, part: str, *rows: tuple[str, str], window: Window = WINDOW, hours_ago: int = 0) -> None:
    """Outcomes of codes in a part of the window's extraction."""
    time = FETCHED - timedelta(hours=hours_ago)
    full = [(code, outcome, "so it said", None, 0, None, time, window.first, window.last) for code, outcome in rows]
    frame = pl.DataFrame(full, schema=FETCHES.polars_schema, orient="row")
    put(lake, FETCHES, f"window={window}/{part}", frame)


def fetched(lake: Lake, *codes: str) -> None:
    fetch(lake, "window=00000-of-00001", *((code, "fetched") for code in codes or CODES))


def checked(lake: Lake, window: Window = WINDOW) -> dict[str, Check]:
    results = check_prices(lake, window, lake.partitions(FETCHES, f"window={window}/"), "test")
    assert len({c.check for c in results}) == len(results) == 11
    return {c.check: c for c in results}


def failed(lake: Lake) -> list[str]:
    return [name for name, check in checked(lake).items() if not check.passed]


def published(lake: Lake) -> pl.DataFrame:
    return lake.read(DATA_QUALITY, lake.partitions(DATA_QUALITY)).collect()


HISTORY = prices(date(2023, 10, 2), date(2024, 1, 12))


def test_sound_prices_pass(lake):
    store(lake, HISTORY)
    fetched(lake)
    assert failed(lake) == []


def test_a_lake_without_prices(lake):
    fetched(lake)
    assert failed(lake) == ["freshness"]


@pytest.mark.parametrize(
    ("quarantined", "severity", "passed"), [(0, "warning", True), (5, "warning", False), (60, "error", False)]
)
def test_the_share_of_rows_in_quarantine(lake, quarantined, severity, passed):
    row = {"window_first": WINDOW.first, "window_last": WINDOW.last, "received": 100, "quarantined": quarantined}
    row |= {"duplicates": 0, "published": 100 - quarantined, "withdrawn": 0}
    put(lake, CURATED_WINDOWS, f"window={WINDOW}", pl.DataFrame([row], schema=CURATED_WINDOWS.polars_schema))
    bad = dict.fromkeys(QUARANTINED_PRICES.polars_schema) | {"code": "A.US", "reasons": "close is missing"}
    rows = pl.DataFrame([bad | {"fetched_at": FETCHED}] * quarantined, schema=QUARANTINED_PRICES.polars_schema)
    put(lake, QUARANTINED_PRICES, f"window={WINDOW}/shard=0", rows)
    check = checked(lake)["quarantine"]
    assert (check.severity, check.passed, check.value) == (severity, passed, quarantined / 100)
    why = f"; {quarantined}: close is missing (A.US, ...)" if quarantined else ""
    assert check.detail == f"{quarantined} of 100 rows are in quarantine/prices{why}"


def test_no_codes_at_all(lake):
    assert failed(lake) == []


@pytest.mark.parametrize(
    ("spoilt", "expected"),
    [
        (HISTORY.filter(pl.col("date") < date(2024, 1, 12)), ["freshness"]),
        (HISTORY.filter(pl.col("date") < WINDOW.first), ["freshness", "row_count"]),
        (HISTORY.filter((pl.col("date") < WINDOW.first) | pl.col("code").is_in(CODES[:2])), ["row_count", "sessions"]),
        (
            HISTORY.with_columns(high=pl.when(pl.col("date") == WINDOW.first).then(9.0).otherwise("high")),
            ["ohlc_order"],
        ),
        # Against the last session before the window too.
        (
            HISTORY.with_columns(
                pl.when(pl.col("date") >= WINDOW.first).then(16.0).otherwise("adjusted_close").alias("adjusted_close")
            ),
            ["jumps", "adjustment"],
        ),
        (pl.concat([HISTORY, HISTORY.tail(1)]), ["duplicates"]),
    ],
)
def test_each_fault_fails_its_check(lake, spoilt, expected):
    store(lake, spoilt)
    fetched(lake)
    assert failed(lake) == expected


def test_what_is_not_of_the_window_or_not_asked_for_is_not_judged(lake):
    before = (pl.col("date") < WINDOW.first) | (pl.col("code") == "IBM.US")
    broken = HISTORY.with_columns(high=pl.when(before).then(9.0).otherwise("high"))
    store(lake, broken)
    fetched(lake, *CODES[:-1])
    assert failed(lake) == []


def test_holidays_are_no_gap(lake):
    """Sunday's last session is Friday's; a window of a weekend has none."""
    store(lake, HISTORY)
    weekend = Window(first=date(2024, 1, 13), last=date(2024, 1, 14))
    fetch(lake, "window=00000-of-00001", *((code, "fetched") for code in CODES), window=weekend)
    assert all(check.passed for check in checked(lake, weekend).values())


def test_a_code_of_which_a_part_failed_is_missing(lake):
    store(lake, HISTORY)
    fetched(lake)
    fetch(lake, "history=00000-of-00001", ("AAPL.US", "failed"), ("IBM.US", "fetched"), hours_ago=1)
    assert checked(lake)["completeness"].detail == "1 missing: 1 failed: so it said (AAPL.US)"


def test_the_last_attempt_at_a_part_counts(lake):
    store(lake, HISTORY)
    fetch(lake, "window=00001-of-00002", ("AAPL.US", "failed"), hours_ago=1)
    fetched(lake)
    assert failed(lake) == []


def test_the_report_is_published_once_and_the_same(lake):
    store(lake, HISTORY)
    fetched(lake)
    results = checked(lake)
    first = published(lake)
    assert first["check"].to_list() == sorted(results)
    assert first.select("window_first", "window_last", "dataset").unique().rows() == [
        (WINDOW.first, WINDOW.last, "prices")
    ]
    assert DATA_QUALITY.schema.is_valid(first)
    snapshot = lake.partitions(DATA_QUALITY)[0].snapshot

    assert checked(lake) == results
    assert lake.partitions(DATA_QUALITY)[0].snapshot == snapshot


def test_another_verdict_takes_the_place_of_the_first_of_its_window_only(lake):
    store(lake, HISTORY)
    fetched(lake)
    other = Window(first=date(2024, 1, 1), last=date(2024, 1, 7))
    check_prices(lake, other, [], "test")
    checked(lake)
    before = published(lake)
    fetch(lake, "window=00000-of-00001", ("AAPL.US", "fetched"), ("NONE.US", "unknown"))
    checked(lake)
    after = published(lake)
    assert after.height == before.height == 22
    of_other = pl.col("window_first") == other.first
    assert_frame_equal(after.filter(of_other), before.filter(of_other))
    complete = pl.col("check") == "completeness"
    assert after.filter(~of_other & complete)["passed"].to_list() == [False]
    assert_frame_equal(after, after.sort(*DATA_QUALITY.sort, maintain_order=True))


def check(name: str, severity: str, *, passed: bool) -> Check:
    return Check(name, severity, passed, 1.0, 0.0, f"what {name} found")  # type: ignore[arg-type]


def test_only_failed_errors_stop_a_load():
    stops = check("c", "error", passed=False)
    others = [check("a", "error", passed=True), check("b", "warning", passed=False)]
    assert errors([*others, stops]) == [stops]
    assert errors(others) == []


def test_a_refusal_names_the_checks_and_what_to_do():
    with pytest.raises(ContractError) as raised:
        refuse([check("row_count", "error", passed=False), check("duplicates", "error", passed=False)], WINDOW)
    for said in ("2024-01-08_2024-01-14", "row_count: what row_count found", "duplicates: what", "refetch"):
        assert said in str(raised.value)
