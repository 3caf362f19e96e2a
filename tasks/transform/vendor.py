"""The rows of a vendor file become `curated/vendor_values`; cells that cannot go to quarantine with their reasons."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from tasks.datasets import QUARANTINED_VENDOR_VALUES, RAW_VENDOR_COLUMNS, RAW_VENDOR_ROWS, VENDOR_VALUES
from tasks.errors import ContractError
from tasks.lake import Lake, SnapshotRef
from tasks.lake.landing import Landed
from tasks.lake.reading import reading
from tasks.transform.merge import Figures, merge_partition
from tasks.transform.quarantine import judged, put_in_quarantine
from tasks.transform.vendor_cells import SortedCells, sort_cells

_TOP = "default"  # the series of files that are dropped in no folder


@dataclass(frozen=True)
class FileFigures:
    """What became of a file: of all its `cells` of dates, `rows.received` have something in them."""

    cells: int
    rows: Figures


def curate_file(lake: Lake, file: Landed, columns: SnapshotRef, rows: SnapshotRef, run: str) -> FileFigures:
    """Merges the file's values, those of one year and one shard of codes at a time.

    A value replaces that of a file which was dropped before. Doing it again changes nothing. Raises ContractError when
    all that is in the cells goes to quarantine, or when the figures do not add up."""
    years = _years(lake.read(RAW_VENDOR_COLUMNS, [columns]).collect())
    cells, figures = 0, Figures()
    with reading(lake, RAW_VENDOR_ROWS, [rows]) as lines:
        for shard in range(VENDOR_VALUES.shards):
            raw = lines.filter(pl.col("shard") == shard).collect()
            for year, dates in years.items():
                figures += _publish(lake, file, VENDOR_VALUES.partition(year, shard), sort_cells(raw, dates), run)
                cells += raw.height * len(dates)
    if figures.quarantined and not figures.published:
        raise ContractError(
            f"All {figures.quarantined} values of the file went to quarantine/vendor_values, file={file.id}: "
            f"{_first_reason(lake, file)}. Set layout.decimal if that is it, or correct the file, and drop it again."
        )
    return FileFigures(cells, figures.balanced())


def _years(columns: pl.DataFrame) -> dict[int, dict[int, date]]:
    """Of each year the places of its dates in the `values` of a row, in the order of the file."""
    years: dict[int, dict[int, date]] = {}
    for place, day in columns.sort("place").select("place", "date").iter_rows():
        years.setdefault(day.year, {})[place] = day
    return years


def _publish(lake: Lake, file: Landed, partition: str, cells: SortedCells, run: str) -> Figures:
    received_at = pl.lit(file.modified, dtype=pl.Datetime("us", "UTC"))
    series = pl.lit(file.folder or _TOP)
    good, broken = judged(cells.good.with_columns(series=series, received_at=received_at), VENDOR_VALUES)
    bad = pl.concat([cells.bad, _broken(broken, cells)]).with_columns(
        series=series, file=pl.lit(file.path), received_at=received_at
    )
    bad = bad.select(QUARANTINED_VENDOR_VALUES.polars_schema.names()).sort(QUARANTINED_VENDOR_VALUES.sort)
    put_in_quarantine(lake, QUARANTINED_VENDOR_VALUES, f"file={file.id}/{partition}", bad, run)
    counts = Figures(received=cells.received, quarantined=bad.height, duplicates=cells.duplicates)
    if good.is_empty():
        return counts
    return counts + merge_partition(lake, VENDOR_VALUES, partition, good, run, newest="received_at")


def _broken(broken: pl.DataFrame, cells: SortedCells) -> pl.DataFrame:
    """Rows that break the contract, as the others in quarantine are."""
    rows = broken.with_columns(pl.col("date").str.to_date(), text="value").join(cells.numbers, on="code")
    return rows.select(cells.bad.columns)


def _first_reason(lake: Lake, file: Landed) -> str:
    snapshots = lake.partitions(QUARANTINED_VENDOR_VALUES, f"file={file.id}/")
    row = lake.read(QUARANTINED_VENDOR_VALUES, snapshots).sort("row", "date").head(1).collect().row(0, named=True)
    return f"{row['text']!r} of {row['code']} on {row['date']}, in row {row['row']}: {row['reasons']}"
