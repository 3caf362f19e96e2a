"""The check of how much of what came is in quarantine: all of it there is no success."""

from collections.abc import Sequence

import polars as pl

from tasks.datasets import CURATED_WINDOWS, PRICES, QUARANTINED_PRICES
from tasks.lake import Lake, SnapshotRef
from tasks.lake.retention.read_leases import read_lease
from tasks.quality.checks import Check, Severity
from tasks.window import Window

_NAMED = 5  # reasons at most in a detail


def quarantine(lake: Lake, windows: Sequence[Window]) -> Check:
    """The share of the bars received for these windows that is in `quarantine/prices`, against `PRICES.limits`."""
    notes = [s for s in (lake.current(CURATED_WINDOWS, f"window={window}") for window in windows) if s]
    with read_lease(lake, CURATED_WINDOWS, notes) as rows:
        received, bad = rows.select(pl.sum("received", "quarantined")).collect().row(0)
    beyond = PRICES.limits.judge(bad, received)
    share = bad / received if received else 0.0
    severity: Severity = "error" if beyond == "failure" else "warning"
    threshold = PRICES.limits.failure if severity == "error" else PRICES.limits.warning
    found = [s for window in windows for s in lake.partitions(QUARANTINED_PRICES, f"window={window}/")] if bad else []
    detail = f"{bad} of {received} rows are in quarantine/prices{_why(lake, found)}"[:1000]
    return Check("quarantine", severity, beyond is None, share, threshold, detail)


def curated_within(lake: Lake, window: Window) -> list[Window]:
    """The windows of all runs that have a day in common with this one, and were curated."""
    named = (s.partition.removeprefix("window=") for s in lake.partitions(CURATED_WINDOWS))
    return [w for w in map(Window.parse, named) if w.first <= window.last and w.last >= window.first]


def _why(lake: Lake, found: Sequence[SnapshotRef]) -> str:
    with read_lease(lake, QUARANTINED_PRICES, found) as rows:
        reasons = rows.group_by("reasons").agg(pl.len(), pl.col("code").first())
        most = reasons.sort("len", "reasons", descending=[True, False]).head(_NAMED).collect()
    return "".join(f"; {count}: {reason} ({code}, ...)" for reason, count, code in most.rows())
