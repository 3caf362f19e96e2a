"""Takes one vendor file from the landing state into `raw/vendor_columns` and `raw/vendor_rows`."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from pydantic import BaseModel, ConfigDict

from tasks.datasets import RAW_VENDOR_COLUMNS, RAW_VENDOR_ROWS, Dataset
from tasks.errors import FatalError
from tasks.extract.wide_files.archive import unpacked
from tasks.extract.wide_files.bounds import DEFAULT_BOUNDS, Bounds
from tasks.extract.wide_files.layout import Layout
from tasks.extract.wide_files.wide_file import open_wide_file
from tasks.lake import Change, Lake, SnapshotRef
from tasks.lake.landing import Landed, Landing
from tasks.settings import Settings

_CELLS_PER_FILE = 4_000_000  # of raw/vendor_rows, so that reading one takes as much memory as reading other datasets


class ExtractedFile(BaseModel):
    """What a file became: the snapshots of its columns and rows."""

    model_config = ConfigDict(frozen=True)

    file: Landed
    columns: SnapshotRef
    rows: SnapshotRef


def extract_file(
    lake: Lake, landing: Landing, file: Landed, layout: Layout, run: str, bounds: Bounds = DEFAULT_BOUNDS
) -> ExtractedFile:
    """Reads the file into the lake, unless that was done already, with the same layout.

    Raises ContractError for a file that cannot be read without doubt, and TransientError for one that is gone, or that
    changes while it is read: somebody is still writing it."""
    partition = f"file={file.id}"
    inputs = (hashlib.sha256(layout.model_dump_json().encode()).hexdigest()[:16],)
    columns, rows = lake.current(RAW_VENDOR_COLUMNS, partition), lake.current(RAW_VENDOR_ROWS, partition)
    if columns and rows and columns.inputs == rows.inputs == inputs:
        return ExtractedFile(file=file, columns=columns, rows=rows)
    with TemporaryDirectory(prefix="vendor-file-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "file"
        _copy(landing, file, path)
        wide = open_wide_file(unpacked(path, bounds.most_bytes), layout, file.dropped.date(), bounds)
        slim = Lake(lake.store, rows_per_file=max(1, _CELLS_PER_FILE // len(wide.header.dates)))
        columns = _publish(lake, RAW_VENDOR_COLUMNS, partition, lambda: Change([wide.columns()], inputs), run)
        rows = _publish(slim, RAW_VENDOR_ROWS, partition, lambda: Change(wide.rows(), inputs), run)
    return ExtractedFile(file=file, columns=columns, rows=rows)


def bounds_of(settings: Settings) -> Bounds:
    return Bounds(
        most_bytes=settings.file_most_bytes,
        most_columns=settings.file_most_columns,
        longest_line=settings.file_longest_line,
        workbook_most_bytes=settings.workbook_most_bytes,
        most_cells=settings.file_most_cells,
    )


def _copy(landing: Landing, file: Landed, path: Path) -> None:
    try:
        landing.copy(file, path)
    except OSError as error:
        raise FatalError(
            f"The vendor file {file.path} could not be copied to {path.parent}, where it takes {file.bytes:,} bytes: "
            f"{error.strerror}. Free some space, or set TMPDIR to a folder on another disk."
        ) from error


def _publish(lake: Lake, dataset: Dataset, partition: str, change: Callable[[], Change], run: str) -> SnapshotRef:
    return cast("SnapshotRef", lake.update(dataset, partition, lambda _: change(), run))
