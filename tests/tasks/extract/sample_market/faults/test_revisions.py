"""A source that revised its history."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import polars as pl
import pytest

from tasks.extract.sample_market import Faults, Served, SimulatedMarket, revisions, serve

FIRST, LAST = date(2014, 1, 2), date(2024, 6, 28)
RANGE = {"api_token": "demo", "fmt": "json", "from": FIRST.isoformat(), "to": LAST.isoformat()}
REVISED = Faults(seed=9, revised=0.01)


@pytest.fixture
def served(market: SimulatedMarket) -> Iterator[Served]:
    with serve(market) as running:
        yield running


def fetched(served: Served, code: str) -> pl.DataFrame:
    records: list[dict[str, Any]] = httpx.get(f"{served.url}/eod/{code}", params=RANGE).json()
    return pl.DataFrame(records).with_columns(pl.col("date").str.to_date())


def test_a_share_of_the_bars_changes_and_a_test_knows_which(served: Served, market: SimulatedMarket) -> None:
    for code in ("AAPL.US", "VTI.US"):
        served.faults = Faults()
        before = fetched(served, code)
        served.faults = REVISED
        after = fetched(served, code)

        changed = after.join(before, on=after.columns, how="anti")
        assert changed.equals(revisions(market, REVISED, code, FIRST, LAST))
        assert after["date"].equals(before["date"])
        assert 0.005 < len(changed) / len(after) < 0.016


def test_a_revised_bar_is_sound_and_differs_in_close_and_volume(market: SimulatedMarket) -> None:
    faults = Faults(revised=1)
    new = revisions(market, faults, "AAPL.US", FIRST, LAST)
    old = market.bars("AAPL.US", FIRST, LAST)

    assert old is not None
    assert new.select("date", "open", "high", "low").equals(old.select("date", "open", "high", "low"))
    assert (new["close"] != old["close"]).sum() > 0.9 * len(old)
    assert (new["volume"] > old["volume"]).all()
    assert new.select(pl.col("close").is_between("low", "high").all()).item()
    factors = new["adjusted_close"] / new["close"] - old["adjusted_close"] / old["close"]
    assert factors.is_between(-0.00001, 0.00001).all()


def test_the_bulk_answer_agrees(served: Served, market: SimulatedMarket) -> None:
    day = revisions(market, REVISED, "AAPL.US", FIRST, LAST)["date"][-1]
    served.faults = REVISED
    query = RANGE | {"date": day.isoformat(), "symbols": "AAPL"}

    row = httpx.get(f"{served.url}/eod-bulk-last-day/US", params=query).json()[0]

    bar = fetched(served, "AAPL.US").row(by_predicate=pl.col("date") == day, named=True)
    assert (row["close"], row["volume"]) == (bar["close"], bar["volume"])


def test_an_unknown_code_has_no_revisions(market: SimulatedMarket) -> None:
    assert revisions(market, REVISED, "NOPE.US", FIRST, LAST).is_empty()
