"""Runs the checks of a run over its window, and keeps their results in `published/data_quality`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import NoReturn

import polars as pl

from tasks.datasets import DATA_QUALITY
from tasks.errors import ContractError
from tasks.lake import Change, Lake, SnapshotRef
from tasks.lake.fetches import last_outcomes
from tasks.quality.checks import DEFAULT_LIMITS, Check, Limits
from tasks.quality.prices import judge_prices
from tasks.quality.quarantine import quarantine
from tasks.sessions.closing_times import AsOf
from tasks.window import Window


def check_prices(
    lake: Lake,
    window: Window,
    fetches: Sequence[SnapshotRef],
    run: str,
    limits: Limits = DEFAULT_LIMITS,
    as_of: AsOf | None = None,
) -> list[Check]:
    """Judges the codes that were asked for in this window, one shard of them at a time, and publishes the results."""
    results = [*judge_prices(lake, window, last_outcomes(lake, fetches), limits, as_of), quarantine(lake, [window])]
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


def _publish(lake: Lake, window: Window, results: Sequence[Check], run: str) -> None:
    rows = pl.DataFrame(
        [{"window_first": window.first, "window_last": window.last, "dataset": "prices", **asdict(c)} for c in results],
        schema=DATA_QUALITY.polars_schema,
    )

    def change(current: SnapshotRef | None) -> Change | None:
        stored = lake.read(DATA_QUALITY, [current] if current else []).collect()
        others = stored.join(rows, on=["window_first", "window_last", "dataset"], how="anti")
        wanted = pl.concat([others, rows]).sort(*DATA_QUALITY.sort, "window_first")
        return None if wanted.equals(stored) else Change([wanted], inputs=(), merged=True)

    lake.update(DATA_QUALITY, DATA_QUALITY.partition(window.last.year), change, run)
