"""Wide vendor files dropped into the landing state: read, reshaped, curated, measured, loaded, put away.

`.dev/python -m flows.vendor_file --help` runs it from a shell.
"""

if __name__ == "__main__":  # what was typed is checked before Prefect is imported, which takes seconds
    from flows.commands.vendor_file import main

    raise SystemExit(main())

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from prefect import flow
from prefect.runtime import flow_run
from pydantic import BaseModel

from flows.starting.resumable import resumable
from tasks.errors import ContractError, FatalError, TransientError
from tasks.extract import Layout, extract_vendor_file, find_vendor_files, put_away_vendor_file
from tasks.isolation import Failure, attempted
from tasks.lake import configured_lake
from tasks.lake.landing import Landed, Landing, Shelf
from tasks.load import LoadResult, RunRow, load_tables, record_run
from tasks.publish import FileReport, publish_vendor_summary
from tasks.transform import FileFigures, curate_vendor_file, measure_vendor_values

_AS_THE_FILE_TELLS = Layout()


class Report(BaseModel):
    """What a run tells whoever started it: each file's outcome, and the summary as Markdown."""

    files: list[FileReport]
    summary: str


@flow(name="vendor-file")
@resumable
async def vendor_file(
    files: list[str] | None = None, layout: Layout = _AS_THE_FILE_TELLS, dates_in_mean: int = 50
) -> Report:
    """Takes the wide files that wait in `landing/`, each once, and brings their values into the warehouse.

    Args:
        files: Patterns such as *.csv or acme/*, of paths below landing/. Empty: all files.
        layout: What the files do not tell themselves. A folder's name is the series of the files that are in it.
        dates_in_mean: Over how many of a code's dates, up to each, its mean is taken.
    """
    started = datetime.now(UTC)
    dropped = await find_vendor_files(files or ["*"])
    reports = [await _take(file, layout, dropped[:place]) for place, file in enumerate(dropped)]
    await measure_vendor_values(dates_in_mean)
    loaded = await load_tables(["vendor_values", "vendor_measures"])
    summary = await publish_vendor_summary(reports, loaded.inserted, loaded.updated, loaded.deleted)
    await record_run(_row(reports, loaded, started))
    if failed := [f"{r.file}: {r.reason}" for r in reports if r.outcome == "failed"]:
        raise ContractError(f"{len(failed)} of {len(reports)} files are in landing/failed. {' '.join(failed)}")
    if left := [f"{r.file}: {r.reason}" for r in reports if r.outcome == "left"]:
        raise TransientError(" ".join(left))
    return Report(files=reports, summary=summary)


async def _take(file: Landed, layout: Layout, beside: Sequence[Landed]) -> FileReport:
    """Brings one file into the lake, and puts it away. What is wrong with it is its own affair, not the others'.

    `beside` are those of the same drop that were taken before."""
    run = str(flow_run.id)
    with Landing(configured_lake().store).taking(file, run) as mine:
        if not mine:
            return FileReport(file=file.path, outcome="busy", run=run, reason="another run takes it")
        figures = await attempted(_into_lake(file, layout, beside))
        if isinstance(figures, Failure):
            report = FileReport(file=file.path, outcome=_outcome(figures), run=run, reason=figures.reason)
        else:
            report = _done(file, figures, run)
        if report.outcome == "left":
            return report
        shelf: Shelf = "done" if report.outcome == "done" else "failed"
        moved = await attempted(put_away_vendor_file(file, shelf, report.model_dump_json(indent=1)))
        if isinstance(moved, Failure):
            return FileReport(file=file.path, outcome="left", run=run, reason=moved.reason)
        return report


async def _into_lake(file: Landed, layout: Layout, beside: Sequence[Landed]) -> FileFigures:
    extracted = await extract_vendor_file(file, layout)
    return await curate_vendor_file(file, extracted.columns, extracted.rows, beside)


def _outcome(failure: Failure) -> Literal["left", "failed"]:
    """A file that is well is left for a later run: where it is busy, or there is no space for it."""
    is_of_the_file = not isinstance(failure.error, TransientError | FatalError | OSError)
    return "failed" if is_of_the_file or isinstance(failure.error, ContractError) else "left"


def _done(file: Landed, figures: FileFigures, run: str) -> FileReport:
    rows, told = figures.rows, []
    if figures.beyond:
        told += [f"{figures.beyond} values are of days after it was dropped, up to {figures.farthest}"]
    if count := figures.contradictions:
        told += [f"{count} cells say otherwise than another file of the drop: {'; '.join(figures.contradicted)}"]
    if figures.conflicting:
        told += [f"{figures.conflicting} cells say otherwise than one before them of the same code and date"]
    return FileReport(
        file=file.path,
        outcome="done",
        run=run,
        reason=". ".join(told) or None,
        cells=figures.cells,
        values=rows.received,
        published=rows.published,
        revised=rows.revised,
        quarantined=rows.quarantined,
        duplicates=rows.duplicates,
        withdrawn=rows.withdrawn,
    )


def _row(reports: Sequence[FileReport], loaded: LoadResult, started: datetime) -> RunRow:
    return RunRow(
        run=str(flow_run.id),
        flow="vendor-file",
        started=started,
        ended=datetime.now(UTC),
        state="files failed" if any(r.outcome == "failed" for r in reports) else "loaded",
        rows_in=sum(r.values for r in reports),
        rows_out=sum(r.published for r in reports),
        quarantined=sum(r.quarantined for r in reports),
        duplicates=sum(r.duplicates for r in reports),
        revised=sum(r.revised for r in reports),
        loaded=loaded.inserted + loaded.updated,
        withdrawn=sum(r.withdrawn for r in reports),
    )
