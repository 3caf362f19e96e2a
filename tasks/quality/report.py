"""Runs the checks over a window of the lake, and keeps their results in `published/data_quality`."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import NoReturn

import polars as pl

from tasks.datasets import DATA_QUALITY, FETCHES, PRICES
from tasks.errors import ContractError
from tasks.lake import Change, Lake, SnapshotRef
from tasks.quality import checks
from tasks.quality.checks import Check
from tasks.sessions import exchange_of, last_session
from tasks.window import Window

_SESSIONS_BEFORE = timedelta(weeks=10)  # that a window's rows are counted against


def check_prices(lake: Lake, window: Window, fetches: Sequence[SnapshotRef], run: str) -> list[Check]:
    """Judges the codes that were asked for in this window, one shard of them at a time, and publishes the results."""
    outcomes = _outcomes(lake, fetches)
    codes = outcomes.get_column("code")
    facts = [_facts(shard, window) for shard in _shards(lake, window, codes)]
    bars = sum(f.bars for f in facts)
    results = [
        checks.completeness(outcomes),
        checks.freshness(_gathered([f.latest for f in facts]), _expected(codes, window.last)),
        checks.duplicates(sum(f.repeated for f in facts)),
        checks.ohlc_order(_gathered([f.disordered for f in facts]), bars),
        checks.jumps(_gathered([f.jumps for f in facts])),
        checks.row_count(
            _gathered([f.per_session for f in facts]).group_by("date").agg(pl.col("rows").sum()), window.first
        ),
    ]
    _publish(lake, window, results, run)
    return results


def errors(results: Sequence[Check]) -> list[Check]:
    """The failed checks that stop a load."""
    return [c for c in results if c.severity == "error" and not c.passed]


def refuse(failed: Sequence[Check], window: Window) -> NoReturn:
    """Raises ContractError for the failed checks."""
    found = "; ".join(f"{c.check}: {c.detail}" for c in failed)
    raise ContractError(
        f"The prices of {window} were not loaded, for these checks failed: {found}. See curated/prices and "
        "quarantine/prices; when the source is right again, run the window again with refetch."
    )


def _outcomes(lake: Lake, fetches: Sequence[SnapshotRef]) -> pl.DataFrame:
    """The last outcome of each code: `code, outcome, reason`."""
    return (
        lake.read(FETCHES, fetches)
        .sort("fetched_at")
        .group_by("code")
        .agg(pl.col("outcome").cast(pl.String).last(), pl.col("reason").last())
        .collect()
    )


@dataclass(frozen=True)
class _Facts:
    """What the checks need to know of one shard of codes."""

    bars: int
    repeated: int
    latest: pl.DataFrame  # code, date
    disordered: pl.DataFrame  # code, date
    jumps: pl.DataFrame  # code, date, change
    per_session: pl.DataFrame  # date, rows


def _facts(prices: pl.DataFrame, window: Window) -> _Facts:
    in_window = prices.filter(pl.col("date") >= window.first)
    return _Facts(
        bars=in_window.height,
        repeated=checks.count_repeated(in_window),
        latest=in_window.group_by("code").agg(pl.col("date").max()),
        disordered=checks.find_disordered(in_window),
        jumps=checks.find_jumps(in_window),
        per_session=prices.group_by("date").agg(rows=pl.len()),
    )


def _shards(lake: Lake, window: Window, codes: pl.Series) -> Iterator[pl.DataFrame]:
    """Bars of these codes in the window and the weeks before it, shard by shard; at least one frame, if an empty one."""
    first = window.first - _SESSIONS_BEFORE
    near = [s for s in lake.partitions(PRICES) if s.first and s.last and s.first <= window.last and s.last >= first]
    for shard in range(PRICES.shards):
        yield (
            lake.read(PRICES, [s for s in near if s.partition.endswith(f"shard={shard}")])
            .filter(pl.col("date").is_between(first, window.last) & pl.col("code").is_in(codes.implode()))
            .drop("volume", "fetched_at")
            .collect()
        )


def _gathered(found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All rows, in the order of their first columns."""
    together = pl.concat(found)
    return together.sort(together.columns[:2])


def _expected(codes: pl.Series, last: date) -> date:
    """The last session on or before the day, of any of the exchanges of these codes."""
    exchanges = {exchange_of(code) for code in codes}
    return max((last_session(exchange, last) for exchange in exchanges), default=last)


def _publish(lake: Lake, window: Window, results: Sequence[Check], run: str) -> None:
    rows = pl.DataFrame(
        [{"window_first": window.first, "window_last": window.last, "dataset": "prices", **asdict(c)} for c in results],
        schema=DATA_QUALITY.polars_schema,
    )

    def change(current: SnapshotRef | None) -> Change | None:
        stored = lake.read(DATA_QUALITY, [current] if current else []).collect()
        others = stored.join(rows, on=["window_first", "window_last", "dataset"], how="anti")
        wanted = pl.concat([others, rows]).sort(DATA_QUALITY.key)
        return None if wanted.equals(stored) else Change([wanted], inputs=())

    lake.update(DATA_QUALITY, DATA_QUALITY.partition(window.last.year), change, run)
