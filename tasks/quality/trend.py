"""Keeps what each run of `data-quality` found in `published/quality_results`, and tells how that has developed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

import polars as pl
from pydantic import BaseModel, ConfigDict

from tasks.datasets import QUALITY_RESULTS
from tasks.lake import Change, Lake, SnapshotRef
from tasks.quality.checks import Check
from tasks.window import Window

RUNS = 10  # in a trend


class Result(BaseModel):
    """A check of a dataset, and what the last runs found, this one last: passed or not, and the value."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    check: str
    severity: str
    passed: bool
    value: float | None
    threshold: float | None
    detail: str
    trend: tuple[tuple[bool, float | None], ...]


def keep_results(lake: Lake, window: Window, found: Mapping[str, Sequence[Check]], run: str, now: datetime) -> None:
    """Appends what a run found; the same run again replaces its rows."""
    common = {"run": run, "checked_on": now.date(), "checked_at": now}
    common |= {"window_first": window.first, "window_last": window.last}
    listed = [common | {"dataset": name} | asdict(check) for name, checks in found.items() for check in checks]
    rows = pl.DataFrame(listed, schema=QUALITY_RESULTS.polars_schema)

    def change(current: SnapshotRef | None) -> Change:
        stored = lake.read(QUALITY_RESULTS, [current] if current else []).filter(pl.col("run") != run).collect()
        return Change([pl.concat([stored, rows]).sort(QUALITY_RESULTS.sort)], inputs=(), merged=True)

    lake.update(QUALITY_RESULTS, QUALITY_RESULTS.partition(now.year), change, run)


def results_of(lake: Lake, run: str) -> list[Result]:
    """What this run found, in its order, each with the trend up to it."""
    last = sorted(lake.partitions(QUALITY_RESULTS), key=lambda s: s.partition)[-2:]  # a trend may cross a new year
    rows = lake.read(QUALITY_RESULTS, last).sort(QUALITY_RESULTS.sort).collect()
    mine = rows.filter(pl.col("run") == run)
    before = rows.filter(pl.col("checked_at") <= mine.get_column("checked_at").max())
    trends: dict[tuple[str, str], list[tuple[bool, float | None]]] = {}
    for dataset, check, passed, value in before.select("dataset", "check", "passed", "value").iter_rows():
        trends.setdefault((dataset, check), []).append((passed, value))
    return [
        Result.model_validate(row | {"trend": tuple(trends[row["dataset"], row["check"]][-RUNS:])})
        for row in mine.select(*(n for n in Result.model_fields if n != "trend")).iter_rows(named=True)
    ]
