"""The simulated prices: reproducible, plausible, and adjusted as the source adjusts them."""

import hashlib
from datetime import date, timedelta

import polars as pl
import pytest

from tasks.errors import ConfigurationError
from tasks.extract.sample_market import SimulatedMarket
from tasks.extract.sample_market.market import BARS
from tasks.sessions.trading_days import sessions

START, AS_OF = date(2000, 1, 3), date(2024, 6, 28)


def all_bars(market: SimulatedMarket, code: str) -> pl.DataFrame:
    bars = market.bars(code, date.min, date.max)
    assert bars is not None
    return bars


@pytest.fixture(scope="module")
def everything(market: SimulatedMarket) -> pl.DataFrame:
    """The bars of all codes."""
    frames = [all_bars(market, f"{name}.US").with_columns(code=pl.lit(name)) for name in market.codes("US")]
    return pl.concat(frames)


def test_the_same_bars_on_every_machine() -> None:
    """Written down from one machine, so that a difference on another is seen."""
    market = SimulatedMarket(10, seed=7, as_of=AS_OF)

    bars = market.bars("AAPL.US", date(2024, 6, 27), AS_OF)

    assert bars is not None
    assert bars.rows() == [
        (date(2024, 6, 27), 84.56, 85.77, 83.44, 85.06, 85.06, 42423),
        (date(2024, 6, 28), 85.18, 86.91, 84.11, 85.92, 85.92, 42186),
    ]
    digest = hashlib.sha256()
    for name in market.codes("US"):
        ten_thousandths = all_bars(market, f"{name}.US").select((pl.exclude("date") * 10_000).round().cast(pl.Int64))
        digest.update(str(ten_thousandths.rows()).encode())
    assert digest.hexdigest() == "9c49fa8794494bd332ca6c5a5f69c910c41e7249dcd2aed9294ffb4c3d3ae554"


def test_bars_do_not_depend_on_the_range_asked_for(market: SimulatedMarket) -> None:
    for name in market.codes("US")[:40]:
        whole = all_bars(market, f"{name}.US")
        part = market.bars(f"{name}.US", date(2010, 3, 6), date(2010, 9, 4))
        assert part is not None
        assert part.equals(whole.filter(pl.col("date").is_between(date(2010, 3, 6), date(2010, 9, 4))))


def test_bars_do_not_depend_on_how_many_codes_there_are() -> None:
    small, large = (SimulatedMarket(size, seed=7, as_of=AS_OF) for size in (20, 2000))

    assert large.codes("US")[:15] == small.codes("US")[:15]
    for name in small.codes("US"):
        assert all_bars(small, f"{name}.US").equals(all_bars(large, f"{name}.US"))


def test_another_seed_makes_other_prices() -> None:
    one, other = (all_bars(SimulatedMarket(5, seed=seed, as_of=AS_OF), "AAPL.US") for seed in (1, 2))

    assert one["date"].equals(other["date"])
    assert (one["close"] != other["close"]).sum() > 0.95 * len(one)


def test_names_are_distinct_and_look_like_tickers(market: SimulatedMarket) -> None:
    names = SimulatedMarket(20_000, as_of=date(2030, 1, 1)).codes("US")

    assert len(set(names)) == 20_000
    assert names[:5] == ["AAPL", "MSFT", "AMZN", "TSLA", "VTI"]
    assert all(name.isalpha() and name.isupper() and 3 <= len(name) <= 4 for name in names)


@pytest.mark.parametrize("size", [0, 100_000])
def test_a_market_of_no_size_is_refused(size: int) -> None:
    with pytest.raises(ConfigurationError, match=f"of {size} codes cannot be made"):
        SimulatedMarket(size)


def test_a_bar_for_each_session_from_listing_to_as_of(market: SimulatedMarket) -> None:
    bars = all_bars(market, "AAPL.US")

    assert bars.schema == BARS
    assert bars["date"].to_list() == sessions("US", START, AS_OF)


def test_other_exchanges_have_their_own_days(market: SimulatedMarket) -> None:
    bitcoin, euro = all_bars(market, "BTC-USD.CC"), all_bars(market, "EURUSD.FOREX")

    assert len(bitcoin) == (AS_OF - START).days + 1
    assert euro["date"].to_list() == sessions("FOREX", START, AS_OF)
    assert euro["close"].is_between(0.2, 5).all()
    assert market.splits("BTC-USD.CC") == ()


def test_an_exchange_elsewhere_keeps_its_holidays() -> None:
    market = SimulatedMarket(8, exchange="XETRA", as_of=AS_OF)

    assert market.codes("US") == []
    assert all_bars(market, "MSFT.XETRA")["date"].to_list() == sessions("XETRA", START, AS_OF)


def test_bars_are_plausible(everything: pl.DataFrame) -> None:
    low_is_lowest = (pl.col("low") <= pl.min_horizontal("open", "close")).all()
    high_is_highest = (pl.col("high") >= pl.max_horizontal("open", "close")).all()
    bounds = everything.select(
        low_is_lowest.alias("low"),
        high_is_highest.alias("high"),
        (pl.col("low") > 0).all().alias("positive"),
        (pl.col("adjusted_close") > 0).all().alias("adjusted"),
        (pl.col("volume") >= 0).all().alias("volume"),
        pl.col("close").is_between(0.3, 1000).all().alias("range"),
    )
    assert bounds.row(0) == (True,) * 6


def test_prices_have_two_decimals_and_adjusted_ones_four(everything: pl.DataFrame) -> None:
    raw = everything.select("open", "high", "low", "close")

    assert raw.equals(raw.select(pl.all().round(2)))
    assert everything["adjusted_close"].equals(everything["adjusted_close"].round(4))
    assert (everything["adjusted_close"] != everything["adjusted_close"].round(2)).any()


def test_some_sessions_have_no_trade(everything: pl.DataFrame) -> None:
    idle = everything.filter(pl.col("volume") == 0)

    assert 0.0002 < len(idle) / len(everything) < 0.01
    assert idle.select(pl.all_horizontal(pl.col("open", "high", "low") == pl.col("close")).all()).item()


def test_daily_moves_are_those_of_shares(everything: pl.DataFrame) -> None:
    move = (pl.col("adjusted_close") / pl.col("adjusted_close").shift() - 1).over("code", order_by="date")
    deviation, largest = everything.select(move.std().alias("deviation"), move.abs().max().alias("largest")).row(0)

    assert 0.008 < deviation < 0.03
    assert largest < 0.2


def test_some_codes_are_listed_late_and_some_leave(market: SimulatedMarket, everything: pl.DataFrame) -> None:
    life = everything.group_by("code").agg(first=pl.col("date").min(), last=pl.col("date").max())

    late = life.filter(pl.col("first") > START)
    gone = life.filter(pl.col("last") < AS_OF)
    assert 0.03 < len(late) / len(life) < 0.15
    assert 0.02 < len(gone) / len(life) < 0.12
    assert set(market.codes("US", AS_OF)) == set(life["code"]) - set(gone["code"])
    assert set(market.codes("US", START)) == set(life["code"]) - set(late["code"])


def test_a_code_is_unknown_before_its_listing_and_empty_after_its_end(everything: pl.DataFrame) -> None:
    life = everything.group_by("code").agg(first=pl.col("date").min(), last=pl.col("date").max())
    late, listed = life.filter(pl.col("first") > START).select("code", "first").row(0)
    gone, last = life.filter(pl.col("last") < AS_OF).select("code", "last").row(0)

    before = SimulatedMarket(300, seed=7, as_of=listed - timedelta(days=30))
    assert before.bars(f"{late}.US", START, AS_OF) is None
    assert late not in before.codes("US")
    now = SimulatedMarket(300, seed=7, as_of=AS_OF).bars(f"{gone}.US", last + timedelta(days=1), AS_OF)
    assert now is not None
    assert now.is_empty()


def test_no_code_trades_on_a_holiday_or_in_the_future(market: SimulatedMarket) -> None:
    assert market.codes("US", date(2024, 3, 29)) == []
    assert market.codes("US", AS_OF + timedelta(days=3)) == []


def test_as_of_is_today_unless_it_is_set() -> None:
    day = date(2023, 5, 2)
    market = SimulatedMarket(1, clock=lambda: day)

    assert all_bars(market, "AAPL.US")["date"].max() == date(2023, 5, 2)
    day = date(2023, 5, 3)
    assert all_bars(market, "AAPL.US")["date"].max() == date(2023, 5, 3)
    market.as_of = date(2023, 4, 28)
    assert all_bars(market, "AAPL.US")["date"].max() == date(2023, 4, 28)
