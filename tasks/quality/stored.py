"""The checks over what is stored, for a window of any length: on each dataset by itself, and that they agree."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Literal, get_args

import polars as pl

from tasks.datasets import PRICE_MEASURES, PRICES, VENDOR_MEASURES, VENDOR_VALUES, Dataset
from tasks.errors import ConfigurationError
from tasks.lake import Lake
from tasks.lake.reading import reading
from tasks.quality import checks
from tasks.quality.checks import Check
from tasks.quality.outcomes import fetches_within, last_outcomes
from tasks.quality.prices import judge_prices
from tasks.window import Window

_ALIVE = timedelta(weeks=10)
StoredDataset = Literal["prices", "price_measures", "vendor_values", "vendor_measures"]
_DATASETS: Mapping[StoredDataset, Dataset] = dict(
    zip(get_args(StoredDataset), (PRICES, PRICE_MEASURES, VENDOR_VALUES, VENDOR_MEASURES), strict=True)
)


def check_stored(lake: Lake, window: Window, names: Sequence[StoredDataset] = ()) -> dict[str, list[Check]]:
    """The checks by dataset; without names, of all that have a row in the window or not long before it.

    Nothing is changed. A part of each dataset is in memory at a time. Raises ConfigurationError where there is none."""
    wanted = names or [name for name, dataset in _DATASETS.items() if _is_alive(lake, dataset, window)]
    if not wanted:
        raise ConfigurationError(
            f"Nothing is stored in this lake of {window}, nor of the {_ALIVE.days} days before it, that could be "
            "checked. Run market-prices or vendor-file for these dates, or point ETL_LAKE_URL at the lake they write."
        )
    return {name: [*_of_any(lake, _DATASETS[name], window), *_OWN[name](lake, window)] for name in wanted}


def _is_alive(lake: Lake, dataset: Dataset, window: Window) -> bool:
    """One that has stopped since is to be found out; one that ended long ago, such as a single vendor file, is not."""
    spans = [(s.first, s.last) for s in lake.partitions(dataset)]
    return any(a <= window.last and b >= window.first - _ALIVE for a, b in spans if a and b)


def _of_any(lake: Lake, dataset: Dataset, window: Window) -> list[Check]:
    rows, broken = 0, Counter[str]()
    for shard in range(dataset.shards):
        for part in window.by_years(1):
            found = _rows(lake, dataset, part, shard, dataset.polars_schema.names())
            rows += found.height
            _, failure = dataset.schema.filter(found)
            broken.update(failure.counts())
    return [checks.stored_rows(rows), checks.contract(broken)]


def _rows(lake: Lake, dataset: Dataset, window: Window, shard: int, columns: Sequence[str]) -> pl.DataFrame:
    """Those of one shard whose period is in the window."""
    wanted = {dataset.partition(year, shard) for year in window.years()}
    snapshots = [s for s in (lake.current(dataset, partition) for partition in sorted(wanted)) if s]
    period = pl.col(str(dataset.period))
    with reading(lake, dataset, snapshots) as rows:
        return rows.filter(period.is_between(window.first, window.last)).select(columns).collect()


def _prices(lake: Lake, window: Window) -> list[Check]:
    return judge_prices(lake, window, last_outcomes(lake, fetches_within(lake, window)), stored=True)


def _price_measures(lake: Lake, window: Window) -> list[Check]:
    """The weeks that are whole in the window: only their measures follow from what is in it."""
    weeks = _whole_weeks(window)
    week = pl.col("date").dt.truncate("1w").alias("week")
    return [_agreement(lake, weeks, (PRICES, ["code", week]), (PRICE_MEASURES, ["code", "week"]))] if weeks else []


def _vendor_measures(lake: Lake, window: Window) -> list[Check]:
    key = VENDOR_VALUES.key
    return [_agreement(lake, window, (VENDOR_VALUES, key), (VENDOR_MEASURES, key))]


_Keys = tuple[Dataset, Sequence[str | pl.Expr]]


def _agreement(lake: Lake, window: Window, measured: _Keys, measures: _Keys) -> Check:
    missing, too_many = [], []
    for shard in range(PRICES.shards):
        for part in window.by_years(1) if measures[0] is VENDOR_MEASURES else [window]:
            have, want = (
                _rows(lake, dataset, part, shard, [*dataset.key]).select(keys).unique()
                for dataset, keys in (measures, measured)
            )
            on = have.columns
            missing.append(want.join(have, on=on, how="anti"))
            too_many.append(have.join(want, on=on, how="anti"))
    return checks.measured(*(pl.concat(found).pipe(lambda f: f.sort(f.columns)) for found in (missing, too_many)))


def _whole_weeks(window: Window) -> Window | None:
    """From the first Monday to the last Sunday of the window."""
    first = window.first.toordinal() + -window.first.weekday() % 7
    last = window.last.toordinal() - (window.last.weekday() + 1) % 7
    day = type(window.first).fromordinal
    return Window(first=day(first), last=day(last)) if first < last else None


_OWN: Mapping[StoredDataset, Callable[[Lake, Window], list[Check]]] = {
    "prices": _prices,
    "price_measures": _price_measures,
    "vendor_values": lambda _lake, _window: [],
    "vendor_measures": _vendor_measures,
}
