"""A folder of real end-of-day prices as a market: `CODE.csv` is served as `CODE.US`."""

from datetime import date
from functools import lru_cache
from pathlib import Path

import polars as pl

from tasks.errors import ConfigurationError
from tasks.extract.sample_market.market import BARS, Dividend, Split
from tasks.sessions.trading_days import exchange_of

COLUMNS = ("Date", "Open", "High", "Low", "Close", "Volume", "Adj Close")
KEPT_FILES = 16


class CsvFolder:
    """Nothing after `as_of` is served; None is the last day in the files. Such files have no splits and dividends."""

    def __init__(self, folder: Path, *, as_of: date | None = None, exchange: str = "US") -> None:
        self._files = {path.stem.upper(): path for path in sorted(folder.glob("*.csv"))}
        if not self._files:
            raise ConfigurationError(
                f"There is no CSV file in {folder}. "
                f"Name a folder with files such as AAPL.csv, of the columns {', '.join(COLUMNS)}."
            )
        self._exchange = exchange.upper()
        self._read = lru_cache(maxsize=KEPT_FILES)(_read)
        self.as_of = as_of or max(_last_day(path) for path in self._files.values())

    def codes(self, exchange: str, day: date | None = None) -> list[str]:
        if exchange.upper() != self._exchange:
            return []
        if day is None:
            return list(self._files)
        return [name for name, path in self._files.items() if not self._between(path, day, day).is_empty()]

    def bars(self, code: str, first: date, last: date) -> pl.DataFrame | None:
        path = self._files.get(code.rpartition(".")[0])
        if path is None or exchange_of(code) != self._exchange:
            return None
        return self._between(path, first, last)

    def splits(self, code: str) -> tuple[Split, ...]:  # noqa: ARG002 - a market is asked so
        return ()

    def dividends(self, code: str) -> tuple[Dividend, ...]:  # noqa: ARG002 - a market is asked so
        return ()

    def _between(self, path: Path, first: date, last: date) -> pl.DataFrame:
        return self._read(path).filter(pl.col("date").is_between(first, min(last, self.as_of)))


def _read(path: Path) -> pl.DataFrame:
    frame = pl.read_csv(path, infer_schema=False)
    if missing := [name for name in COLUMNS if name not in frame.columns]:
        raise ConfigurationError(
            f"{path.name} has no column {', '.join(missing)}, but {', '.join(frame.columns)}. "
            f"Give it the columns {', '.join(COLUMNS)}."
        )
    named = frame.select(pl.col(name).alias(_BAR_NAMES.get(name, name.lower())) for name in COLUMNS)
    typed = [pl.col("date").str.to_date(), *(pl.col(name).cast(pl.Float64) for name in BARS if name != "date")]
    try:
        return named.select(typed).cast({"volume": pl.Int64}).sort("date")
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(f"{path.name} cannot be read as prices: {reason}. Correct the value.") from error


def _last_day(path: Path) -> date:
    days: list[date] = _read(path)["date"].tail(1).to_list()
    if not days:
        raise ConfigurationError(f"{path.name} has no row. Remove it from the folder, or fill it.")
    return days[0]


_BAR_NAMES = {"Adj Close": "adjusted_close"}
