"""Splits and dividends that the prices show pass; adjusted closes that they do not explain are told."""

from datetime import date

import polars as pl
import pytest

from tasks.quality import checks
from tasks.quality.adjustment import adjustment, find_steps
from tasks.sessions.trading_days import sessions
from tests.beside import BESIDE

DAYS = sessions("US", date(2024, 1, 2), date(2024, 3, 28))
LIMIT = checks.DEFAULT_LIMITS.adjustment
EVENT = 30  # the position of the day on which something happens
REAL = BESIDE / "prices"


def prices(factor: float, close: float = 1.0, decimals: int = 4) -> pl.DataFrame:
    """A code whose older adjusted closes are multiplied by `factor`, and whose close is by `close` on the day."""
    rows = []
    for n, day in enumerate(DAYS):
        told = round(100 * (1 + 0.01 * (n % 3)) * (close if n >= EVENT else 1), decimals)
        rows.append(("A.US", day, told, round(told * (factor if n < EVENT else 1), decimals)))
    return pl.DataFrame(rows, schema=["code", "date", "close", "adjusted_close"], orient="row")


@pytest.mark.parametrize(
    "sound",
    [
        prices(1),
        prices(0.5, close=0.5),  # a split
        prices(10, close=10),  # a merger of ten shares into one
        prices(0.99),  # a dividend of 1 %, which a day's move hides
        prices(0.8, close=0.8),  # a large dividend
        prices(0.5, close=0.5, decimals=2),
    ],
)
def test_what_the_closes_show_passes(sound: pl.DataFrame) -> None:
    assert adjustment(find_steps(sound, LIMIT), LIMIT).passed


@pytest.mark.parametrize(
    ("wrong", "step"),
    [
        (prices(0.2), "+400.0%"),  # a dividend in pence
        (prices(1, close=0.5).with_columns(adjusted_close=pl.col("close") * 1.0), None),  # no adjusting: a real fall
        (prices(0.25, close=0.5), "+300.0%"),  # adjusted twice
        (prices(1.02), "-2.0%"),  # no dividend raises what is older
    ],
)
def test_what_they_do_not_is_told(wrong: pl.DataFrame, step: str | None) -> None:
    check = adjustment(find_steps(wrong, LIMIT), LIMIT)
    assert check.passed == (step is None)
    if step:
        assert check.detail.endswith(f": A.US {DAYS[EVENT]} {step}")


def test_a_limit_of_ones_own() -> None:
    fifteen_percent = prices(0.85)
    assert not adjustment(find_steps(fifteen_percent, 0.05), 0.05).passed
    assert adjustment(find_steps(fifteen_percent, 0.15), 0.15).passed


def test_a_price_that_stands_still_without_volume_is_told() -> None:
    def standing(count: int, volume: int = 0) -> pl.DataFrame:
        closes = [float(n) for n in range(1, 10)] + [9.0] * count + [9.5]
        volumes = [5] * 9 + [volume] * count + [5]
        return pl.DataFrame({"code": "A.US", "date": DAYS[: len(closes)], "close": closes, "volume": volumes})

    found = checks.find_standstills(standing(21), 20)
    check = checks.standstill(found, 20)
    assert (check.severity, check.passed) == ("warning", False)
    assert check.detail == f"1 prices stood still at no volume: A.US (21 sessions up to {DAYS[29]})"
    for sound in (standing(20), standing(30, volume=1)):
        assert checks.standstill(checks.find_standstills(sound, 20), 20).passed


@pytest.fixture(params=["AAPL", "IBM", "MSFT"])
def real(request: pytest.FixtureRequest) -> pl.DataFrame:
    if not REAL.is_dir():
        pytest.skip("no folder of real prices beside the project")
    names = {"Date": "date", "Close": "close", "Adj Close": "adjusted_close", "Volume": "volume"}
    bars = pl.read_csv(REAL / f"{request.param}.csv", try_parse_dates=True).select(list(names)).rename(names)
    return bars.with_columns(pl.col("close", "adjusted_close").cast(pl.Float64), code=pl.lit(request.param)).sort(
        "date"
    )


def test_real_bars_with_their_splits_and_dividends_pass(real: pl.DataFrame) -> None:
    assert find_steps(real, LIMIT).rows() == []
    assert checks.find_standstills(real, checks.DEFAULT_LIMITS.standstill).rows() == []


@pytest.mark.parametrize("older", [0.05, 1.05])  # a dividend in pence; one that is added in place of taken off
def test_real_bars_that_are_adjusted_wrongly_on_a_day_are_told(real: pl.DataFrame, older: float) -> None:
    day = real["date"][2000]
    wrong = real.with_columns(
        adjusted_close=pl.when(pl.col("date") < day).then(pl.col("adjusted_close") * older).otherwise("adjusted_close")
    )
    assert day in find_steps(wrong.with_columns(pl.col("adjusted_close").round(2)), LIMIT)["date"]
