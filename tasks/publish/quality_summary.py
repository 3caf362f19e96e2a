"""The checks of what is stored with their trend, as Markdown: for the artifact in Prefect, and for the terminal."""

from collections.abc import Sequence
from typing import Protocol

from tasks.window import Window


class Judged(Protocol):
    """A check of a dataset and its last runs, this one last: passed or not, and the value."""

    @property
    def dataset(self) -> str: ...
    @property
    def check(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def passed(self) -> bool: ...
    @property
    def value(self) -> float | None: ...
    @property
    def detail(self) -> str: ...
    @property
    def trend(self) -> Sequence[tuple[bool, float | None]]: ...


def quality_markdown(window: Window, results: Sequence[Judged]) -> str:
    """One row per dataset and check. The trend is the last runs' results, oldest first, and their values."""
    failed = sum(not r.passed and r.severity == "error" for r in results)
    warned = sum(not r.passed and r.severity != "error" for r in results)
    return "\n".join(
        [
            f"# Data quality of {window.first} to {window.last}: {failed} errors, {warned} warnings",
            "",
            "| dataset | check | result | trend | values | found |",
            "|---|---|---|---|---|---|",
            *(_row(r) for r in results),
        ]
    )


def _row(result: Judged) -> str:
    verdict = "passed" if result.passed else f"**{result.severity}**"
    marks = "".join("✓" if passed else "✗" for passed, _ in result.trend)
    values = " ".join(_number(value) for _, value in result.trend)
    found = result.detail if len(result.detail) <= 200 else f"{result.detail[:200]}…"
    cell = found.replace("|", "\\|").replace("\n", " ")
    return f"| {result.dataset} | {result.check} | {verdict} | {marks} | {values} | {cell} |"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value.is_integer() else f"{value:.3g}"
