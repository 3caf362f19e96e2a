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
    kinds = [f"{errors} as an error"] * bool(errors) + [f"{failed - errors} as a warning"] * (failed > errors)
    return f"{failed} of {checks} checks failed, {' and '.join(kinds)}"


def _facts(failed: pl.DataFrame, figures: RunFigures) -> list[str]:
    facts = [
        f"{row['check']} of {row['dataset']}: {row['detail']}" if row["detail"] else f"{row['check']} of {row['dataset']}"
        for row in failed.sort("severity", "dataset", "check").iter_rows(named=True)
    ]
    if figures.rows_unexplained:
        kind = "lost" if figures.rows_unexplained > 0 else "too many"
        facts.insert(0, f"The row equation does not hold: {abs(figures.rows_unexplained):,} rows {kind}.")
    return facts
