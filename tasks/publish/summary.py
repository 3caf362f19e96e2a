"""The run summary, as Markdown: for the artifact in the Prefect UI, and for the terminal."""

from collections.abc import Sequence
from typing import Protocol

from tasks.publish.dashboard import RunFigures


class Checked(Protocol):
    """The result of a check, as the summary shows it."""

    @property
    def check(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def passed(self) -> bool: ...
    @property
    def detail(self) -> str: ...


def markdown(figures: RunFigures, state: str, checks: Sequence[Checked]) -> str:
    """Codes and rows with their equations, what was loaded, and the checks."""
    f = figures
    return "\n".join(
        [
            f"# Prices of {f.window.first} to {f.window.last}: {state}",
            "",
            "| what | how many | of which |",
            "|---|---:|---|",
            f"| codes asked for | {f.codes_asked:,} | = {f.codes_fetched:,} fetched + {f.codes_empty:,} empty + "
            f"{f.codes_unknown:,} unknown + {f.codes_refused:,} refused + {f.codes_failed:,} failed |",
            f"| rows received | {f.rows_received:,} | = {f.rows_published:,} published + {f.rows_quarantined:,} in quarantine "
            f"+ {f.rows_duplicates:,} duplicates |",
            f"| rows revised | {f.rows_revised:,} | of the published: the source now says otherwise |",
            f"| rows loaded | {f.loaded_inserted + f.loaded_updated:,} | {f.loaded_inserted:,} inserted, "
            f"{f.loaded_updated:,} updated, {f.loaded_deleted:,} deleted, in all tables |",
            "",
            "| check | result | found |",
            "|---|---|---|",
            *(f"| {c.check} | {_verdict(c)} | {_cell(c.detail)} |" for c in checks),
        ]
    )


def _verdict(check: Checked) -> str:
    return "passed" if check.passed else f"**{check.severity}**"


def _cell(text: str) -> str:
    short = text if len(text) <= 200 else f"{text[:200]}…"
    return short.replace("|", "\\|").replace("\n", " ")
