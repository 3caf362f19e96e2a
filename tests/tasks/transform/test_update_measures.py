"""`published/price_measures` follows `curated/prices`, partition by partition, in a real lake."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import dataframely as dy
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.datasets import PRICE_MEASURES, PRICES
from tasks.extract.sample_market import SimulatedMarket
from tasks.lake import Change, Lake, open_lake
from tasks.transform.update_measures import update_measures
from tasks.transform.weekly_measures import measures, weekly
from tasks.window import Window
from tests.tasks.transform.examples import (
    curated,
    market_rows,
    prices,
    raw_row,
    raw_rows,
    receive,
    snapshots,
)

CODES = ["AAPL.US", "MSFT.US", "AMZN.US", "TSLA.US", "VTI.US"]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path))


def receive_market(lake: Lake, window: Window, hour: float = 0) -> None:
    market = SimulatedMarket(size=len(CODES), as_of=window.last)
    receive(lake, market_rows(market, CODES, window, hour), window)
    curated(lake, window)


def stored(lake: Lake) -> pl.DataFrame:
    return lake.read(PRICE_MEASURES, lake.partitions(PRICE_MEASURES)).sort(PRICE_MEASURES.key).collect()


def at_once(lake: Lake) -> pl.DataFrame:
    """The measures of all history of all codes, without partitions."""
    columns = PRICE_MEASURES.polars_schema.names()
    return measures(weekly(prices(lake).lazy())).select(columns).sort(PRICE_MEASURES.key).collect()


def partitions(lake: Lake) -> dict[str, str]:
    return {s.partition: s.snapshot for s in lake.partitions(PRICE_MEASURES)}


def test_partitions_together_are_the_measures_of_all_history(lake):
    """Eight years, so that January begins on every day of the week."""
    receive_market(lake, Window(first=date(2012, 12, 29), last=date(2021, 1, 9)))
    update_measures(lake, "test")
    assert len(set(partitions(lake))) > 8 * 2
    assert_frame_equal(stored(lake), at_once(lake), rel_tol=1e-12, abs_tol=1e-9)
    for snapshot in lake.partitions(PRICE_MEASURES):
        part = lake.read(PRICE_MEASURES, [snapshot]).collect()
        assert_frame_equal(part, part.sort(PRICE_MEASURES.sort))
        assert PRICE_MEASURES.schema.is_valid(part)
        assert snapshot.partition.startswith(f"year={part['week'].dt.year().unique().item()}/")


@pytest.mark.parametrize("first_monday", range(1, 8))
def test_around_the_turn_of_any_year(lake, first_monday):
    """The week before the year's first Monday counts in the measures of 51 weeks later, not of 52 weeks later.

    Its exchange never closes, so that each of these days is one of trading."""
    year = next(y for y in range(2000, 2030) if date(y, 1, first_monday).weekday() == 0)
    days = [date(year, 1, first_monday) - timedelta(days=n) for n in (1, 4)]
    days += [days[0] + timedelta(weeks=51), days[0] + timedelta(weeks=52)]
    window = Window(first=min(days), last=max(days))
    receive(lake, raw_rows(*(raw_row("BTC.CC", str(d), high=30.0 - i) for i, d in enumerate(days))), window)
    curated(lake, window)
    update_measures(lake, "test")
    assert_frame_equal(stored(lake), at_once(lake))
    assert stored(lake)["high_52w"].to_list() == [30, 30, 28]


def test_a_second_time_nothing_is_done(lake):
    receive_market(lake, Window(first=date(2022, 11, 1), last=date(2024, 2, 1)))
    changed = update_measures(lake, "test")
    assert {s.snapshot for s in changed} == snapshots(lake, PRICE_MEASURES)
    before = partitions(lake)
    assert update_measures(lake, "again") == []
    assert partitions(lake) == before


def test_only_what_a_change_reaches_is_computed_anew(lake):
    """A close of March 2022 counts until March 2023, in the shard of its code."""
    rows = [raw_row(code, f"{y}-03-01") for code in ("A.US", "B.US") for y in range(2020, 2026)]
    window = Window(first=date(2020, 1, 1), last=date(2025, 12, 31))
    receive(lake, raw_rows(*rows), window)
    curated(lake, window)
    update_measures(lake, "test")
    before = partitions(lake)

    revision = Window(first=date(2022, 3, 1), last=date(2022, 3, 1))
    receive(lake, raw_row("A.US", "2022-03-01", 1, high=50.0), revision)
    curated(lake, revision)
    changed = [s.partition for s in update_measures(lake, "again")]
    shard = int(raw_row("A.US")["shard"].item())
    assert changed == [PRICE_MEASURES.partition(2022, shard)]
    assert {p for p, s in partitions(lake).items() if before[p] != s} == set(changed)
    assert_frame_equal(stored(lake), at_once(lake))


def test_what_is_not_stale_is_not_even_read(lake):
    window = Window(first=date(2020, 1, 1), last=date(2025, 12, 31))
    receive(lake, raw_rows(*(raw_row(day=f"{year}-03-02") for year in range(2020, 2026))), window)
    curated(lake, window)
    update_measures(lake, "test")
    for snapshot in lake.partitions(PRICES):
        if snapshot.last and snapshot.last.year < 2024:
            for path in snapshot.files:
                lake.store.delete(path)
    revision = Window(first=date(2025, 3, 3), last=date(2025, 3, 3))
    receive(lake, raw_row(day="2025-03-03"), revision)
    curated(lake, revision)
    assert [s.partition.partition("/")[0] for s in update_measures(lake, "again")] == ["year=2025"]


def test_prices_that_change_no_measure_make_no_new_snapshot(lake):
    window = Window(first=date(2024, 1, 1), last=date(2024, 1, 31))
    receive(lake, raw_rows(raw_row(day="2024-01-02"), raw_row(day="2024-01-03")), window)
    curated(lake, window)
    update_measures(lake, "test")
    before = lake.partitions(PRICE_MEASURES)
    receive(lake, raw_rows(raw_row(day="2024-01-02", fetched=1, volume=7.0)), window)
    curated(lake, window)

    assert update_measures(lake, "again") == []
    (after,) = lake.partitions(PRICE_MEASURES)
    assert (after.snapshot, after.run) == (before[0].snapshot, "test")
    assert set(after.inputs[1:]) == snapshots(lake, PRICES) != set(before[0].inputs[1:])


def test_new_days_change_the_last_weeks_only(lake):
    receive_market(lake, Window(first=date(2022, 6, 1), last=date(2023, 12, 20)))
    update_measures(lake, "test")
    before = stored(lake)
    receive_market(lake, Window(first=date(2023, 12, 18), last=date(2024, 1, 10)), hour=1)
    changed = {s.partition.partition("/")[0] for s in update_measures(lake, "again")}
    assert changed == {"year=2023", "year=2024"}
    assert_frame_equal(stored(lake), at_once(lake), rel_tol=1e-12, abs_tol=1e-9)
    untouched = pl.col("week") < date(2023, 12, 18)
    assert_frame_equal(stored(lake).filter(untouched), before.filter(untouched), check_exact=True)


def test_of_an_empty_lake_there_are_none(lake):
    assert update_measures(lake, "test") == []


def test_what_another_definition_made_is_computed_anew(lake):
    receive_market(lake, Window(first=date(2023, 6, 1), last=date(2024, 2, 1)))
    update_measures(lake, "test")
    expected, before = stored(lake), partitions(lake)
    one, other = sorted(lake.partitions(PRICE_MEASURES), key=lambda s: s.partition)[:2]
    inputs = ("definition=of another formula", *one.inputs[1:])
    wrong = lake.read(PRICE_MEASURES, [one]).with_columns(return_1w=1.0).collect()
    lake.update(PRICE_MEASURES, one.partition, lambda _: Change([wrong], inputs), "older code")
    lake.confirm(other, ("definition=in other words", *other.inputs[1:]))

    changed = update_measures(lake, "test")

    assert [s.partition for s in changed] == [one.partition]
    assert_frame_equal(stored(lake), expected)
    assert partitions(lake)[other.partition] == before[other.partition]
    assert update_measures(lake, "again") == []


def test_what_the_contract_cannot_read_is_computed_anew(lake):
    receive_market(lake, Window(first=date(2023, 6, 1), last=date(2023, 8, 1)))
    update_measures(lake, "test")
    expected = stored(lake)
    older = replace(PRICE_MEASURES, schema=type("Older", (PRICE_MEASURES.schema,), {"return_1w": dy.String()}))
    for snapshot in lake.partitions(PRICE_MEASURES):
        rows = lake.read(PRICE_MEASURES, [snapshot]).with_columns(return_1w=pl.lit("none"))
        change = Change(
            [rows.select(older.polars_schema.names()).collect()], ("definition=older", *snapshot.inputs[1:])
        )
        lake.update(older, snapshot.partition, lambda _, change=change: change, "older code")

    update_measures(lake, "test")

    assert_frame_equal(stored(lake), expected)
