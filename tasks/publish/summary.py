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
    outcomes = " + ".join(
        f"{getattr(f, f'codes_{outcome}'):,} {outcome}"
        for outcome in ("fetched", "empty", "missing", "unknown", "refused", "failed")
    )
    received = (
        f"{f.rows_published:,} published + {f.rows_quarantined:,} in quarantine + {f.rows_duplicates:,} duplicates"
    )
    loaded = (
        f"{f.loaded_inserted:,} inserted, {f.loaded_updated:,} updated, {f.loaded_deleted:,} deleted, in all tables"
    )
    return "\n".join(
        [
            f"# Prices of {f.window.first} to {f.window.last}: {state}",
            "",
            "| what | how many | of which |",
            "|---|---:|---|",
            _row("codes asked for", f.codes_asked, f"= {outcomes}"),
            _row(
                "codes asked now",
                f.codes_asked_now,
                f"by this run; {f.codes_asked - f.codes_asked_now:,} were in the lake",
            ),
            _row("rows received", f.rows_received, f"= {received}"),
            _row("rows revised", f.rows_revised, "of the published: the source now says otherwise"),
            _row("rows withdrawn", f.rows_withdrawn, _withdrawn(f)),
            _row("rows loaded", f.loaded_inserted + f.loaded_updated, loaded),
            "",
            "| check | result | found |",
            "|---|---|---|",
            *(f"| {c.check} | {_verdict(c)} | {_cell(c.detail)} |" for c in checks),
        ]
    )


def _withdrawn(figures: RunFigures) -> str:
    """The equation of the stored rows has them too: before + added - withdrawn = after."""
    more = figures.rows_withdrawn - len(figures.withdrawn)
    named = ", ".join(figures.withdrawn) + (f" and {more:,} more" if more > 0 and figures.withdrawn else "")
    return f"of the stored, and removed: the source does not give them any more{': ' if named else ''}{named}"


def _row(what: str, count: int, of_which: str) -> str:
    return f"| {what} | {count:,} | {of_which} |"


def _verdict(check: Checked) -> str:
    return "passed" if check.passed else f"**{check.severity}**"


def _cell(text: str) -> str:
    short = text if len(text) <= 200 else f"{text[:200]}…"
    return short.replace("|", "\\|").replace("\n", " ")
