"""Runs the checks over a window of the lake, and keeps their results in `published/data_quality`."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
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
    codes = _with_exchange(outcomes.get_column("code"))
    expected = _expected(codes, window)
    facts = [_facts(shard, window) for shard in _shards(lake, window, codes)]
    per_session = _gathered([f.per_session for f in facts]).group_by("exchange", "date").agg(pl.col("rows").sum())
    results = [
        checks.completeness(outcomes),
        checks.freshness(_gathered([f.latest for f in facts]), expected),
        checks.duplicates(sum(f.repeated for f in facts)),
        checks.ohlc_order(_gathered([f.disordered for f in facts]), sum(f.bars for f in facts)),
        checks.jumps(_gathered([f.jumps for f in facts])),
        checks.row_count(per_session, expected, window.first),
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
    """`code, outcome, reason`: the last attempt at each code; one of whose parts the last failed is one that failed."""
    parts: dict[str, list[SnapshotRef]] = {}
    for snapshot in fetches:
        parts.setdefault(snapshot.partition.rpartition("/")[2].partition("=")[0], []).append(snapshot)
    last = [lake.read(FETCHES, part).sort("fetched_at").group_by("code").last() for part in parts.values()]
    return (
        pl.concat([lake.read(FETCHES, []), *last])
        .with_columns(pl.col("outcome").cast(pl.String))
        .sort(pl.col("outcome").is_in(checks.MISSING), "fetched_at")
        .group_by("code")
        .last()
        .select("code", "outcome", "reason")
        .collect()
    )


def _with_exchange(codes: pl.Series) -> pl.DataFrame:
    exchanges = [exchange_of(code) for code in codes]
    return pl.DataFrame({"code": codes, "exchange": exchanges}, schema={"code": pl.String, "exchange": pl.String})


def _expected(codes: pl.DataFrame, window: Window) -> pl.DataFrame:
    """`exchange, expected`: the last session of each exchange in the window, null where it was closed."""
    exchanges = codes.get_column("exchange").unique().sort()
    last = [last_session(exchange, window.last) for exchange in exchanges]
    expected = pl.Series([day if day >= window.first else None for day in last], dtype=pl.Date)
    return pl.DataFrame({"exchange": exchanges, "expected": expected})


@dataclass(frozen=True)
class _Facts:
    """What the checks need to know of one shard of codes."""

    bars: int
    repeated: int
    latest: pl.DataFrame  # code, exchange, date
    disordered: pl.DataFrame  # code, date
    jumps: pl.DataFrame  # code, date, change
    per_session: pl.DataFrame  # exchange, date, rows


def _facts(prices: pl.DataFrame, window: Window) -> _Facts:
    is_within = pl.col("date") >= window.first
    within = prices.filter(is_within)
    return _Facts(
        bars=within.height,
        repeated=checks.count_repeated(within),
        latest=within.group_by("code", "exchange").agg(pl.col("date").max()),
        disordered=checks.find_disordered(within),
        jumps=checks.find_jumps(prices).filter(is_within),
        per_session=prices.group_by("exchange", "date").agg(rows=pl.len()),
    )


def _shards(lake: Lake, window: Window, codes: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Bars of these codes in the window and the weeks before it, with their exchange, shard by shard."""
    first = window.first - _SESSIONS_BEFORE
    near = [s for s in lake.partitions(PRICES) if s.first and s.last and s.first <= window.last and s.last >= first]
    for shard in range(PRICES.shards):
        yield (
            lake.read(PRICES, [s for s in near if s.partition.endswith(f"shard={shard}")])
            .filter(pl.col("date").is_between(first, window.last))
            .drop("volume", "fetched_at")
            .join(codes.lazy(), on="code")
            .collect()
        )


def _gathered(found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All rows, in the order of their first columns."""
    together = pl.concat(found)
    return together.sort(together.columns[:2])


def _publish(lake: Lake, window: Window, results: Sequence[Check], run: str) -> None:
    rows = pl.DataFrame(
        [{"window_first": window.first, "window_last": window.last, "dataset": "prices", **asdict(c)} for c in results],
        schema=DATA_QUALITY.polars_schema,
    )

    def change(current: SnapshotRef | None) -> Change | None:
        stored = lake.read(DATA_QUALITY, [current] if current else []).collect()
        others = stored.join(rows, on=["window_first", "window_last", "dataset"], how="anti")
        wanted = pl.concat([others, rows]).sort(*DATA_QUALITY.sort, "window_first")
        return None if wanted.equals(stored) else Change([wanted], inputs=())

    lake.update(DATA_QUALITY, DATA_QUALITY.partition(window.last.year), change, run)
