"""A wide file becomes long, with the trailing mean of 50 dates: ours, and pandas as scripts do it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
from polars.testing import assert_frame_equal

from tasks.transform.reshape import to_long, trailing_mean
from tests.benchmarks.race import Contender, Race, times_as_fast


@dataclass(frozen=True)
class Size:
    instruments: int
    dates: int
    window: int


SIZE = Size(instruments=5_000, dates=520, window=50)
TINY = Size(instruments=30, dates=20, window=7)

_DESCRIPTION = ["code", "name", "currency"]
_FORMAT = "%d/%m/%Y"


@contextmanager
def race(size: Size) -> Iterator[Race]:
    """Both get the wide frame in memory, as their own library holds it."""
    wide = _wide(size)
    # polars marks a name that repeats; in pandas it simply repeats.
    as_pandas = wide.to_pandas().rename(columns=lambda name: name.removesuffix("_duplicated_0"))
    yield Race(
        title=f"wide to long, trailing mean of {size.window} ({size.instruments} x {size.dates})",
        ours=Contender("tasks.transform.reshape", lambda _: _ours(wide, size.window)),
        peers=[(Contender("pandas", lambda _: _pandas(as_pandas, size.window)), times_as_fast(9))],
        agree=_agree,
        rounds=9,  # short ones, which noise touches more
    )


def _wide(size: Size) -> pl.DataFrame:
    """One row in a hundred is there twice, and one column."""
    random = np.random.default_rng(1)
    codes = [f"C{number:05d}.US" for number in random.permutation(size.instruments)]
    values = random.lognormal(3, 1, (size.dates, size.instruments)).round(2)
    names = [(date(2022, 1, 3) + timedelta(days=n)).strftime(_FORMAT) for n in range(size.dates)]
    frame = pl.DataFrame({"code": codes, "name": [f"{code} plc" for code in codes], "currency": "USD"})
    frame = frame.with_columns(pl.Series(name, column) for name, column in zip(names, values, strict=True))
    repeated = frame.sample(max(1, size.instruments // 100), seed=1)
    last = pl.col(names[-1]).alias(f"{names[-1]}_duplicated_0")
    return pl.concat([frame, repeated]).with_columns(last).rechunk()


def _ours(wide: pl.DataFrame, window: int) -> pl.DataFrame:
    names = wide.columns[len(_DESCRIPTION) :]
    dates = {name: datetime.strptime(name[:10], _FORMAT).replace(tzinfo=UTC).date() for name in names}
    return trailing_mean(to_long(wide, "code", dates).rows, window)


def _pandas(wide: pd.DataFrame, window: int) -> pd.DataFrame:
    long = wide.melt(id_vars=_DESCRIPTION, var_name="date", value_name="value")
    long["date"] = pd.to_datetime(long["date"], format=_FORMAT)
    long = long.drop_duplicates(["code", "date"])
    rolling = long.groupby("code")["value"].rolling(window, min_periods=1)
    long["trailing_mean"] = rolling.mean().reset_index(level=0, drop=True)
    return long


def _agree(ours: pl.DataFrame, peer: pd.DataFrame) -> None:
    columns = ["code", "date", "value", "trailing_mean"]
    expected = pl.from_pandas(peer[columns]).cast({"date": pl.Date}).sort("code", "date")
    assert_frame_equal(ours.select(columns), expected, rel_tol=1e-9)
