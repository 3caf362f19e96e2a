"""What a run made of vendor files, as Markdown: for the artifact in the Prefect UI, and for the terminal."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

Outcome = Literal["done", "failed", "left", "busy"]


class FileReport(BaseModel):
    """What became of one file. cells = values + empty, and values = published + quarantined + duplicates."""

    model_config = ConfigDict(frozen=True)

    file: str
    outcome: Outcome  # left where it was for a later run; busy with another run
    run: str
    reason: str | None = None
    cells: int = 0
    values: int = 0
    published: int = 0
    revised: int = 0  # of the published: an earlier file said otherwise
    quarantined: int = 0
    duplicates: int = 0
    withdrawn: int = 0  # of the values of earlier files: its cells for them have none

    @property
    def empty(self) -> int:
        return self.cells - self.values


def vendor_markdown(
    files: Sequence[FileReport], inserted: int, updated: int, deleted: int, withdrawn: Sequence[str] = ()
) -> str:
    """Cells and values with their equations, what was loaded, and each file. `withdrawn` names the first of these."""
    counts = Counter(f.outcome for f in files)

    def total(name: str) -> int:
        return sum(getattr(f, name) for f in files)

    values = (
        f"= {total('published'):,} published + {total('quarantined'):,} in quarantine + "
        f"{total('duplicates'):,} duplicates"
    )
    return "\n".join(
        [
            f"# Vendor files: {', '.join(f'{counts[outcome]} {outcome}' for outcome in get_args(Outcome))}",
            "",
            "| what | how many | of which |",
            "|---|---:|---|",
            _row("cells of dates", total("cells"), f"= {total('values'):,} values + {total('empty'):,} empty"),
            _row("values received", total("values"), values),
            _row("values revised", total("revised"), "of the published: an earlier file said otherwise"),
            _row("values withdrawn", total("withdrawn"), _withdrawn(total("withdrawn"), withdrawn)),
            _row("rows loaded", inserted + updated, f"{inserted:,} inserted, {updated:,} updated, {deleted:,} deleted"),
            "",
            "| file | outcome | values | in quarantine | reason |",
            "|---|---|---:|---:|---|",
            *(_file(f) for f in files),
        ]
    )


def _withdrawn(count: int, named: Sequence[str]) -> str:
    more = f" and {count - len(named):,} more" if named and count > len(named) else ""
    return (
        f"of earlier files, and removed: the cell has no value any more{': ' if named else ''}{', '.join(named)}{more}"
    )


def _row(what: str, count: int, of_which: str) -> str:
    return f"| {what} | {count:,} | {of_which} |"


def _file(f: FileReport) -> str:
    reason = (f.reason or "").replace("|", "\\|").replace("\n", " ")
    path = f.file.replace("|", "\\|")
    return f"| {path} | {f.outcome} | {f.values:,} | {f.quarantined:,} | {reason} |"
