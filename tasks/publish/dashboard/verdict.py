"""What the page says first: whether the run's checks passed and its rows add up."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from tasks.publish.dashboard.figures import RunFigures


@dataclass(frozen=True)
class Verdict:
    """One line and the facts behind it. `passed`: nothing to do; `warned`: worth a look; `failed`: act."""

    state: Literal["passed", "warned", "failed", "unchecked"]
    headline: str
    facts: tuple[str, ...]


def judge(checks: pl.DataFrame, figures: RunFigures) -> Verdict:
    """The verdict on a run. `checks`: the rows of `data_quality` for its window."""
    failed = checks.filter(~pl.col("passed"))
    errors = failed.filter(pl.col("severity") == "error").height
    state: Literal["passed", "warned", "failed", "unchecked"] = "passed"
    if errors or figures.rows_unexplained:
        state = "failed"
    elif failed.height:
        state = "warned"
    elif checks.is_empty():
        state = "unchecked"
    return Verdict(state, _headline(checks.height, failed.height, errors), tuple(_facts(failed, figures)))


def _headline(checks: int, failed: int, errors: int) -> str:
    if not checks:
        return "No checks are recorded for this window"
    if not failed:
        return f"All {checks} checks passed" if checks > 1 else "The one check passed"
    counts = {"error": errors, "warning": failed - errors}
    kinds = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items() if count]
    return f"{failed} of {checks} checks failed: {', '.join(kinds)}"


def _facts(failed: pl.DataFrame, figures: RunFigures) -> list[str]:
    facts = []
    if figures.rows_unexplained:
        kind = "lost" if figures.rows_unexplained > 0 else "too many"
        facts.append(f"The row equation does not hold: {abs(figures.rows_unexplained):,} rows {kind}.")
    missing = {kind: getattr(figures, f"codes_{kind}") for kind in ("unknown", "refused", "failed")}
    if any(missing.values()):
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in missing.items() if count)
        facts.append(f"{sum(missing.values()):,} of {figures.codes_asked:,} codes could not be fetched: {kinds}.")
    facts.extend(
        f"{row['check']} of {row['dataset']}" + (f": {row['detail']}" if row["detail"] else "")
        for row in failed.sort("severity", "dataset", "check").iter_rows(named=True)
    )
    return facts
