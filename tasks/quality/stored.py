"""The checks over what is stored, for a window of any length: on each dataset by itself, and that they agree."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import get_args

import polars as pl

from tasks.choices import StoredDataset
from tasks.coverage.stored import Wanted
from tasks.datasets import PRICE_MEASURES, PRICES, VENDOR_MEASURES, VENDOR_VALUES, Dataset
from tasks.errors import ConfigurationError
from tasks.lake import Lake, SnapshotRef
from tasks.lake.fetches import fetches_within, last_outcomes
from tasks.lake.retention.read_leases import read_lease
from tasks.quality import checks
from tasks.quality.checks import DEFAULT_LIMITS, Check, Limits
from tasks.quality.coverage import coverage
from tasks.quality.prices import judge_prices
from tasks.quality.quarantine import curated_within, quarantine
from tasks.sessions.trading_days import exchange_of, sessions
from tasks.window import Window

_ALIVE = timedelta(weeks=10)
_DATASETS: Mapping[StoredDataset, Dataset] = dict(
    zip(get_args(StoredDataset), (PRICES, PRICE_MEASURES, VENDOR_VALUES, VENDOR_MEASURES), strict=True)
)


def check_stored(
    lake: Lake,
    window: Window,
    names: Sequence[StoredDataset] = (),
    differences: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    limits: Limits = DEFAULT_LIMITS,
    wanted: Wanted | None = None,
) -> dict[str, list[Check]]:
    """The checks by dataset; without names, of all that have a row in the window or not long before it.

    `differences` is what the warehouse has otherwise than the lake, by dataset and partition; `wanted`, if given, what
    prices there are to be.
    Nothing is changed. A part of each dataset is in memory at a time. Raises ConfigurationError where there is none."""
    judged = names or [name for name, dataset in _DATASETS.items() if _is_alive(lake, dataset, window)]
    if not judged:
        raise ConfigurationError(
            f"Nothing is stored in this lake of {window}, nor of the {_ALIVE.days} days before it, that could be "
            "checked. Run market-prices or vendor-file for these dates, or point ETL_LAKE_URL at the lake they write."
        )
    return {
        name: [
            *_of_any(lake, name, window),
            *_OWN[name](lake, window, limits, wanted),
            _in_warehouse(differences.get(name, {})),
        ]
        for name in judged
    }


def _in_warehouse(differing: Mapping[str, str]) -> Check:
    """Whether the warehouse has what it loaded."""
    named = "; ".join(f"{partition}: {what}" for partition, what in differing.items())
    detail = f"{len(differing)} partitions differ from the lake{': ' if named else ''}{named}"[:1000]
    return Check("warehouse", "error", not differing, float(len(differing)), 0.0, detail)


def _is_alive(lake: Lake, dataset: Dataset, window: Window) -> bool:
    """One that has stopped since is to be found out; one that ended long ago, such as a single vendor file, is not."""
    return bool(_near(lake, dataset, window))


def _near(lake: Lake, dataset: Dataset, window: Window) -> list[SnapshotRef]:
    first, last = window.first - _ALIVE, window.last
    return [s for s in lake.partitions(dataset) if s.first and s.last and s.first <= last and s.last >= first]


def _of_any(lake: Lake, name: StoredDataset, window: Window) -> list[Check]:
    dataset, rows, broken = _DATASETS[name], 0, Counter[str]()
    for shard in range(dataset.shards):
        for part in window.by_years(1):
            found = _rows(lake, dataset, part, shard, dataset.polars_schema.names())
            rows += found.height
            _, failure = dataset.schema.filter(found)
            broken.update(failure.counts())
    return [checks.stored_rows(rows, due=rows > 0 or _are_due(lake, name, window)), checks.contract(broken)]


def _are_due(lake: Lake, name: StoredDataset, window: Window) -> bool:
    """Whether rows must be there: not while each exchange of the codes stored near was closed, as over Easter.

    A measure is of a week, and due of one that is whole in the window."""
    if name not in ("prices", "price_measures"):
        return True
    days = window if name == "prices" else _whole_weeks(window)
    if days is None:
        return False
    exchanges = {exchange_of(code) for code in _codes_near(lake, window)}
    return not exchanges or any(sessions(exchange, days.first, days.last) for exchange in exchanges)


def _codes_near(lake: Lake, window: Window) -> list[str]:
    alive = pl.col("date").is_between(window.first - _ALIVE, window.last)
    with read_lease(lake, PRICES, _near(lake, PRICES, window)) as prices:
        return prices.filter(alive).select(pl.col("code").cast(pl.String).unique()).collect()["code"].to_list()


def _rows(lake: Lake, dataset: Dataset, window: Window, shard: int, columns: Sequence[str]) -> pl.DataFrame:
    """Those of one shard whose period is in the window."""
    wanted = {dataset.partition(year, shard) for year in window.years()}
    snapshots = [s for s in (lake.current(dataset, partition) for partition in sorted(wanted)) if s]
    period = pl.col(str(dataset.period))
    with read_lease(lake, dataset, snapshots) as rows:
        return rows.filter(period.is_between(window.first, window.last)).select(columns).collect()


def _prices(lake: Lake, window: Window, limits: Limits, wanted: Wanted | None) -> list[Check]:
    outcomes = last_outcomes(lake, fetches_within(lake, window))
    found = judge_prices(lake, window, outcomes, limits, wanted.as_of if wanted else None, stored=True)
    found.append(quarantine(lake, curated_within(lake, window)))
    return [*found, coverage(lake, window, wanted)] if wanted else found


def _price_measures(lake: Lake, window: Window, _limits: Limits, _wanted: Wanted | None) -> list[Check]:
    """The weeks that are whole in the window: only their measures follow from what is in it."""
    weeks = _whole_weeks(window)
    week = pl.col("date").dt.truncate("1w").alias("week")
    return [_agreement(lake, weeks, (PRICES, ["code", week]), (PRICE_MEASURES, ["code", "week"]))] if weeks else []


def _vendor_measures(lake: Lake, window: Window, _limits: Limits, _wanted: Wanted | None) -> list[Check]:
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


_OWN: Mapping[StoredDataset, Callable[[Lake, Window, Limits, Wanted | None], list[Check]]] = {
    "prices": _prices,
    "price_measures": _price_measures,
    "vendor_values": lambda _lake, _window, _limits, _wanted: [],
    "vendor_measures": _vendor_measures,
}
