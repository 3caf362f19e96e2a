"""Splits, dividends and late volumes: how the past changes as time goes on."""

from datetime import date, timedelta
from itertools import pairwise

import polars as pl
import pytest

from tasks.extract.sample_market import Dividend, SimulatedMarket, Split
from tasks.sessions.trading_days import last_session

AS_OF = date(2024, 6, 28)


def bars(market: SimulatedMarket, code: str, first: date = date.min, last: date = date.max) -> pl.DataFrame:
    found = market.bars(code, first, last)
    assert found is not None
    return found


def at(frame: pl.DataFrame, day: date) -> dict[str, float]:
    return frame.row(by_predicate=pl.col("date") == day, named=True)


def day_before(day: date) -> date:
    return last_session("US", day - timedelta(days=1))


@pytest.fixture(scope="module")
def splits(market: SimulatedMarket) -> list[tuple[str, Split]]:
    codes = [f"{name}.US" for name in market.codes("US")]
    return [(code, split) for code in codes for split in market.splits(code)]


@pytest.fixture(scope="module")
def payers(market: SimulatedMarket) -> list[str]:
    return [code for name in market.codes("US") if market.dividends(code := f"{name}.US")]


def test_there_are_splits_of_both_kinds(splits: list[tuple[str, Split]]) -> None:
    assert any(split.after > split.before for _, split in splits)
    assert any(split.after < split.before for _, split in splits)


def test_the_raw_price_jumps_at_a_split_and_the_adjusted_one_does_not(
    market: SimulatedMarket, splits: list[tuple[str, Split]]
) -> None:
    for code, split in splits:
        found = bars(market, code, split.day - timedelta(days=10), split.day)
        before, after = at(found, day_before(split.day)), at(found, split.day)

        assert after["close"] / before["close"] == pytest.approx(split.factor, rel=0.2)
        assert after["adjusted_close"] / before["adjusted_close"] == pytest.approx(1, abs=0.2)


def test_volume_is_in_shares_of_today(market: SimulatedMarket, splits: list[tuple[str, Split]]) -> None:
    """As the documents have it: no jump at a split, and all of it changes when a split comes."""
    code, split = next((c, s) for c, s in splits if s.after == 2)
    first = split.day - timedelta(days=60)
    before = SimulatedMarket(300, seed=7, as_of=day_before(split.day) - timedelta(days=1))
    after = SimulatedMarket(300, seed=7, as_of=split.day)

    old, new = (bars(m, code, first, before.as_of - timedelta(days=1)) for m in (before, after))

    assert new["close"].equals(old["close"])
    assert (new["volume"] - 2 * old["volume"]).is_between(-2, 2).all()


def test_payers_pay_each_quarter(market: SimulatedMarket, payers: list[str]) -> None:
    assert 0.3 < len(payers) / len(market.codes("US")) < 0.5
    days = [dividend.day for dividend in market.dividends(payers[0])]
    assert {round((later - day).days / 91) for day, later in pairwise(days)} == {1}


def test_the_factor_of_a_dividend_is_one_less_its_part_of_the_close_before(
    market: SimulatedMarket, payers: list[str]
) -> None:
    code = next(code for code in payers if not market.splits(code))
    found = bars(market, code)

    for dividend in market.dividends(code):
        close = at(found, day_before(dividend.day))["close"]
        assert dividend.factor == pytest.approx(1 - dividend.amount / close, abs=1e-12)
        assert 0.0005 < dividend.amount / close < 0.02


def test_adjusted_close_is_the_close_times_the_factors_of_all_later_events(market: SimulatedMarket) -> None:
    for name in market.codes("US")[:60]:
        code = f"{name}.US"
        found = bars(market, code)
        for day in found["date"].to_list()[::500]:
            factor = 1.0
            events: list[Split | Dividend] = [*market.splits(code), *market.dividends(code)]
            for event in events:
                factor *= event.factor if event.day > day else 1.0
            bar = at(found, day)
            assert bar["adjusted_close"] == pytest.approx(bar["close"] * factor, abs=0.00006)


def test_the_past_is_adjusted_again_when_a_dividend_comes(market: SimulatedMarket, payers: list[str]) -> None:
    code, dividend = payers[0], market.dividends(payers[0])[-1]
    eve = SimulatedMarket(300, seed=7, as_of=dividend.day - timedelta(days=1))
    ex_date = SimulatedMarket(300, seed=7, as_of=dividend.day)
    until = eve.as_of - timedelta(days=7)

    old, new = (bars(m, code, date(2023, 1, 1), until) for m in (eve, ex_date))

    assert new.drop("adjusted_close").equals(old.drop("adjusted_close"))
    ratio = new["adjusted_close"] / old["adjusted_close"]
    assert ratio.to_list() == pytest.approx([dividend.factor] * len(ratio), abs=0.0001)


def test_without_an_event_only_the_last_volume_changes_overnight(market: SimulatedMarket) -> None:
    code = next(
        f"{n}.US" for n in market.codes("US") if not market.splits(f"{n}.US") and not market.dividends(f"{n}.US")
    )
    today, tomorrow = (SimulatedMarket(300, seed=7, as_of=date(2024, 6, day)) for day in (26, 27))

    old, new = (bars(m, code, last=date(2024, 6, 26)) for m in (today, tomorrow))

    assert new.drop("volume").equals(old.drop("volume"))
    assert new["volume"][:-1].equals(old["volume"][:-1])
    assert 0.7 < old["volume"][-1] / new["volume"][-1] < 0.98


def test_a_volume_is_final_on_a_day_without_a_session(market: SimulatedMarket) -> None:
    friday, saturday, monday = (
        bars(SimulatedMarket(300, seed=7, as_of=day), "VTI.US", date(2024, 6, 21), date(2024, 6, 21))["volume"][0]
        for day in (date(2024, 6, 21), date(2024, 6, 22), date(2024, 6, 24))
    )
    assert friday < saturday
    assert saturday == monday
