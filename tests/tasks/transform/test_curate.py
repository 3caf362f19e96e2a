"""Raw bars into `curated/prices`, in a real lake."""

import math
import multiprocessing
from collections.abc import Sequence
from datetime import date, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tasks.datasets import FETCHES, PRICES, QUARANTINED_PRICES, WITHDRAWN_PRICES
from tasks.errors import ContractError
from tasks.extract.sample_market import SimulatedMarket
from tasks.lake import Lake, open_lake
from tasks.transform.curate import Figures
from tasks.window import Window
from tests.tasks.transform.examples import (
    WINDOW,
    at,
    curated,
    market_rows,
    outcomes,
    prices,
    publish,
    quarantined,
    raw_row,
    raw_rows,
    receive,
    snapshots,
)

numbers = st.sampled_from([10.0, 10.0, 10.0, 11.0, 0.0, -1.0, None, math.nan, math.inf])
texts = st.sampled_from(["2024-01-02", "2024-01-02", "2024-01-03", "2024-01-31", "2024-02-01", "2023-12-31", "x", None])
columns = ("open", "high", "low", "close", "adjusted_close", "volume")


@st.composite
def any_row(draw):
    broken = draw(st.dictionaries(st.sampled_from(columns), numbers, max_size=2))
    return raw_row(draw(st.sampled_from(["A.US", "B.US", "C.US"])), draw(texts), draw(st.integers(0, 2)), **broken)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path))


@settings(max_examples=25)
@given(st.lists(any_row(), max_size=12))
def test_every_row_is_accounted_for(rows):
    with TemporaryDirectory() as folder:
        lake = open_lake(folder)
        receive(lake, raw_rows(*rows))
        figures = curated(lake)
        known, bad = prices(lake), quarantined(lake)
        assert figures.received == len(rows) == figures.added + figures.quarantined + figures.duplicates
        assert (known.height, bad.height) == (figures.added, figures.quarantined)
        assert not known.select(PRICES.key).is_duplicated().any()
        assert PRICES.schema.is_valid(known)
        assert bad["reasons"].str.len_chars().gt(0).all()
        received = raw_rows(*rows).select(bad.columns[:-1])
        sound = [row for row in received.rows() if _is_sound(received.columns, row)]
        taken = [row for row in sound if not any(_contradict(received.columns, row, other) for other in sound)]
        refused = [repr(row) for row in received.rows() if row not in taken]
        assert sorted(map(repr, bad.drop("reasons").rows())) == sorted(refused)

        before = snapshots(lake, PRICES, QUARANTINED_PRICES)
        again = curated(lake)
        assert snapshots(lake, PRICES, QUARANTINED_PRICES) == before
        assert (again.added, again.revised, again.unchanged) == (0, 0, figures.added)


def _is_sound(names: Sequence[str], row: tuple[object, ...]) -> bool:
    """The contract once more, value by value."""
    bar: dict[str, Any] = dict(zip(names, row, strict=True))
    values = [bar[name] for name in columns]
    return (
        bar["date"] in {"2024-01-02", "2024-01-03", "2024-01-31"}
        and all(isinstance(v, float) and math.isfinite(v) and v >= 0 for v in values)
        and all(v != 0 for v in values[:-1])
        and bar["high"] >= bar["low"]
    )


def _contradict(names: Sequence[str], one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    key = [names.index(name) for name in ("code", "date", "fetched_at")]
    return all(one[i] == other[i] for i in key) and one != other


fetched = st.lists(  # of one day: hour, code, close
    st.dictionaries(st.sampled_from(["A.US", "B.US"]), st.sampled_from([1.0, 2.0, 3.0])), min_size=1, max_size=4
)


@settings(max_examples=15)
@given(fetched, st.randoms(use_true_random=False))
def test_the_value_fetched_last_stands_in_whatever_order_they_are_curated(fetches, random):
    """Each fetch is of a window of its own around the same day."""
    hours = list(range(len(fetches)))
    random.shuffle(hours)
    with TemporaryDirectory() as folder:
        lake = open_lake(folder)
        for hour in hours:
            window = Window(first=WINDOW.first, last=WINDOW.last + timedelta(days=hour))
            receive(
                lake, raw_rows(*(raw_row(c, fetched=hour, close=close) for c, close in fetches[hour].items())), window
            )
            curated(lake, window)
        last = {code: close for fetch in fetches for code, close in fetch.items()}
        assert dict(prices(lake).select("code", "close").rows()) == last


def test_a_value_that_came_back_is_not_replaced_by_the_one_in_between(lake):
    """The run that fetched 2 was killed, and is resumed after another one found the 1 of the beginning again."""
    for hour, close in ((0, 1.0), (2, 1.0), (1, 2.0)):
        window = Window(first=WINDOW.first, last=WINDOW.last + timedelta(days=hour))
        receive(lake, raw_row(fetched=hour, close=close), window)
        assert curated(lake, window).revised == 0
    assert prices(lake).select("close", "fetched_at").rows() == [(1.0, at(2))]


def test_of_two_fetches_of_a_window_the_later_stands(lake):
    """An attempt with other shards left its rows in partitions of other names."""
    receive(lake, raw_row(fetched=2, close=2.0), part="window=00000-of-00001")
    receive(lake, raw_row(fetched=1, close=1.0), part="window=00001-of-00002")
    assert curated(lake) == Figures(received=2, duplicates=1, added=1)
    assert prices(lake)["close"].to_list() == [2.0]


def test_records_of_one_answer_that_contradict_each_other_go_to_quarantine(lake):
    again = raw_row(code="B.US", close=4.0)
    receive(lake, raw_rows(raw_row(close=1.0), raw_row(close=3.0), raw_row(close=1.0), again, again))
    assert curated(lake) == Figures(received=5, quarantined=3, duplicates=1, added=1)
    assert prices(lake)["code"].to_list() == ["B.US"]
    assert set(quarantined(lake)["reasons"]) == {"another record of the same day says otherwise"}


def test_revised_rows_replace_exactly_those(lake):
    market = SimulatedMarket(size=5, as_of=date(2024, 2, 10))
    window = Window(first=date(2023, 12, 1), last=date(2024, 1, 31))
    codes = [f"{name}.US" for name in market.codes("US")]
    rows = market_rows(market, codes, window)
    receive(lake, rows, window)
    assert curated(lake, window) == Figures(received=rows.height, added=rows.height)
    before = prices(lake)

    day = pl.col("date").is_in(["2023-12-05", "2024-01-09"])
    is_revised = day & (pl.col("code") == "MSFT.US")
    again = rows.with_columns(close=pl.when(is_revised).then(pl.col("close") + 1).otherwise("close"), fetched_at=at(1))
    receive(lake, again, window)
    assert curated(lake, window) == Figures(received=rows.height, revised=2, unchanged=rows.height - 2)

    after = prices(lake)
    assert after.height == before.height
    assert (after["fetched_at"] == at(1)).all()
    changed = after.drop("fetched_at").join(before.drop("fetched_at"), on=before.columns[:-1], how="anti")
    assert changed.select("code", "date").rows() == [("MSFT.US", date(2023, 12, 5)), ("MSFT.US", date(2024, 1, 9))]
    assert snapshots(lake, QUARANTINED_PRICES) == set()


def test_partitions_hold_their_year_and_shard_sorted(lake):
    market = SimulatedMarket(size=20, as_of=date(2024, 2, 10))
    window = Window(first=date(2022, 12, 20), last=date(2024, 1, 31))
    rows = market_rows(market, [f"{name}.US" for name in market.codes("US")], window)
    receive(lake, rows, window)
    curated(lake, window)
    found = lake.partitions(PRICES)
    assert sum(s.rows for s in found) == rows.height
    for snapshot in found:
        part = lake.read(PRICES, [snapshot]).collect()
        assert_frame_equal(part, part.sort(PRICES.sort))
        assert {PRICES.partition(day.year, _shard(code)) for code, day in part.select("code", "date").rows()} == {
            snapshot.partition
        }


def _shard(code: str) -> int:
    return int(raw_row(code)["shard"].item())


HISTORY = "history=00000-of-00001"


def test_bars_from_before_the_window_are_taken_from_a_part_for_history_only(lake):
    receive(lake, raw_rows(raw_row(day="2024-01-02"), raw_row(day="2023-12-29")))
    receive(lake, raw_rows(raw_row(day="2023-12-28"), raw_row(day="2024-01-03")), part=HISTORY)
    assert curated(lake) == Figures(received=4, added=2, quarantined=2)
    assert prices(lake)["date"].to_list() == [date(2023, 12, 28), date(2024, 1, 2)]
    assert set(quarantined(lake)["date"]) == {"2023-12-29", "2024-01-03"}


def test_codes_of_which_a_part_failed_are_held_back_until_it_is_there(lake):
    receive(lake, raw_rows(raw_row("A.US"), raw_row("B.US")))
    failed = outcomes(("A.US", "failed", "503", 1), ("B.US", "fetched", None, 1))
    receive(lake, raw_rows(raw_row("B.US", "2023-12-29")), fetches=failed, part=HISTORY)
    assert curated(lake) == Figures(received=3, added=2, quarantined=1)
    assert quarantined(lake)["reasons"].to_list() == ["another part of this code could not be fetched"]
    assert set(prices(lake)["code"]) == {"B.US"}

    receive(lake, raw_rows(), fetches=outcomes(("A.US", "empty", None, 2)), part="history=00000-of-00002")
    assert curated(lake) == Figures(received=3, added=1, unchanged=2)
    assert set(prices(lake)["code"]) == {"A.US", "B.US"}
    assert quarantined(lake).is_empty()


def test_quarantine_follows_the_outcomes_though_no_bar_changed(lake):
    receive(lake, raw_row("A.US"), fetches=outcomes(("A.US", "fetched", None, 0)))
    publish(lake, FETCHES, f"window={WINDOW}/{HISTORY}", outcomes(("A.US", "refused", "not JSON", 1)))
    curated(lake)
    assert quarantined(lake).height == 1
    publish(lake, FETCHES, f"window={WINDOW}/{HISTORY}", outcomes(("A.US", "unknown", None, 2)))
    curated(lake)
    assert quarantined(lake).is_empty()


JANUARY = [raw_row(code, day) for code in ("A.US", "B.US") for day in ("2024-01-02", "2024-01-03")]


def answered(lake: Lake, *rows: pl.DataFrame, outcome: str = "fetched", hour: float = 1, warning: str | None = None):
    """The source answers for A.US and the whole window."""
    fetches = outcomes(("A.US", outcome, None, hour), span=WINDOW).with_columns(warning=pl.lit(warning, pl.String))
    receive(lake, raw_rows(*rows), WINDOW, fetches)
    return curated(lake)


def withdrawn(lake: Lake) -> list[tuple[object, ...]]:
    found = lake.read(WITHDRAWN_PRICES, lake.partitions(WITHDRAWN_PRICES)).sort("code", "date").collect()
    return found.select("code", "date", "close", "withdrawn_at", "run").rows()


@pytest.mark.parametrize(
    "again",
    [
        [],
        [raw_row("A.US", "2024-01-03", 1, close=None)],
        [raw_row("A.US", "2024-01-03", 1, close=-1.0)],
        [raw_row("A.US", "2024-01-03", 1, close=4.0), raw_row("A.US", "2024-01-03", 1, close=5.0)],
    ],
    ids=["not there", "null", "broken", "contradictory"],
)
def test_a_bar_that_a_whole_answer_does_not_give_is_withdrawn(lake, again):
    receive(lake, raw_rows(*JANUARY))
    curated(lake)
    figures = answered(lake, raw_row("A.US", "2024-01-02", 1), *again)
    assert figures == Figures(received=1 + len(again), quarantined=len(again), unchanged=1, withdrawn=1)
    assert prices(lake).select("code", "date").rows() == [
        ("A.US", date(2024, 1, 2)),
        ("B.US", date(2024, 1, 2)),
        ("B.US", date(2024, 1, 3)),
    ]
    assert withdrawn(lake) == [("A.US", date(2024, 1, 3), 10.0, at(1), "test")]
    assert curated(lake).withdrawn == 0


def give_an_earlier_day(lake: Lake, hour: float) -> None:
    """The source does, of A.US, when it is asked for one beside the window."""
    day = date(2023, 12, 29)
    fetches = outcomes(("A.US", "fetched", None, hour), span=Window(first=day, last=day))
    receive(lake, raw_rows(raw_row("A.US", str(day), hour)), WINDOW, fetches, part="witness=00000-of-00001")


def test_an_empty_answer_withdraws_all_that_was_asked_for_once_the_source_gives_something(lake):
    """It may be an outage, in which it gives nothing of anything."""
    receive(lake, raw_rows(*JANUARY, raw_row("A.US", "2024-01-31")))
    curated(lake)
    give_an_earlier_day(lake, hour=-23)
    assert answered(lake, outcome="empty").withdrawn == 0
    give_an_earlier_day(lake, hour=1)
    assert curated(lake).withdrawn == 3
    assert prices(lake).filter(code="A.US")["date"].to_list() == [date(2023, 12, 29)]


@pytest.mark.parametrize("outcome", ["failed", "refused", "unknown"])
def test_an_answer_that_is_none_is_no_evidence(lake, outcome):
    receive(lake, raw_rows(*JANUARY))
    curated(lake)
    assert answered(lake, outcome=outcome).withdrawn == 0
    assert prices(lake).height == 4


@pytest.mark.parametrize("day", ["2024-02-01", "2023-12-29", "soon", None])
def test_an_answer_with_days_that_nobody_asked_for_is_no_evidence(lake, day):
    receive(lake, raw_rows(*JANUARY))
    curated(lake)
    figures = answered(lake, raw_row("A.US", "2024-01-02", 1), raw_row("A.US", day, 1))
    assert (figures.withdrawn, prices(lake).height) == (0, 4)


def test_what_a_plan_cuts_off_is_no_evidence(lake):
    receive(lake, raw_rows(*JANUARY, raw_row("A.US", "2024-01-04")))
    curated(lake)
    assert answered(lake, raw_row("A.US", "2024-01-03", 1), warning="limited by one year").withdrawn == 1
    assert prices(lake).filter(code="A.US")["date"].to_list() == [date(2024, 1, 2), date(2024, 1, 3)]
    assert answered(lake, outcome="empty", hour=2, warning="limited by one year").withdrawn == 0


def test_an_older_answer_neither_withdraws_nor_brings_back(lake):
    """The run that was killed is resumed after another one."""
    receive(lake, raw_rows(*JANUARY))
    curated(lake)
    assert answered(lake, hour=-1, outcome="empty").withdrawn == 0
    give_an_earlier_day(lake, hour=1)
    assert answered(lake, hour=1, outcome="empty").withdrawn == 2
    other = Window(first=WINDOW.first, last=WINDOW.last + timedelta(days=1))
    receive(lake, raw_rows(raw_row("A.US", "2024-01-02", 0.5)), other)
    curated(lake, other)
    assert set(prices(lake).filter(pl.col("date") >= WINDOW.first)["code"]) == {"B.US"}
    receive(lake, raw_rows(raw_row("A.US", "2024-01-02", 2)), other)
    assert curated(lake, other).added == 1
    assert set(prices(lake).filter(pl.col("date") >= WINDOW.first)["code"]) == {"A.US", "B.US"}


def test_figures_that_do_not_add_up_are_refused():
    assert Figures(received=3, added=1, revised=1, quarantined=1).balanced().published == 2
    with pytest.raises(ContractError, match="received=3"):
        Figures(received=3, added=1).balanced()


def _curate_days(folder: str, days: Sequence[date], together: Barrier) -> None:
    lake = open_lake(folder)
    for day in days:
        window = Window(first=day, last=day)
        receive(lake, raw_row("A.CC", str(day)), window)  # trades on every day
        together.wait(60)
        curated(lake, window)


def test_two_processes_at_the_same_partition_lose_nothing(tmp_path):
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(16)]
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    halves = [days[0::2], days[1::2]]
    processes = [context.Process(target=_curate_days, args=(str(tmp_path), half, together)) for half in halves]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert prices(open_lake(str(tmp_path)))["date"].to_list() == days
