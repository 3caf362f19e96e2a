"""The rows of a vendor file become `curated/vendor_values`; cells that cannot go to quarantine with their reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from tasks.datasets import QUARANTINED_VENDOR_VALUES, RAW_VENDOR_COLUMNS, RAW_VENDOR_ROWS, VENDOR_VALUES
from tasks.errors import ContractError
from tasks.lake import Lake, SnapshotRef
from tasks.lake.landing import Landed
from tasks.lake.retention.read_leases import read_lease
from tasks.transform.merge import Figures, merge_partition
from tasks.transform.quarantine import put_in_quarantine, split_rows
from tasks.transform.vendor_values.cells import SortedCells, sort_cells
from tasks.transform.withdrawal import Covered

_TOP = "default"  # the series of files that are dropped in no folder


_NAMED = 20  # cells at most in a message


@dataclass(frozen=True)
class FileFigures:
    """What became of a file: of all its `cells` of dates, `rows.received` have something in them.

    `beyond` are good values of days after the file was dropped, the last of which is `farthest`. `contradictions` are
    cells that say otherwise than a file which was dropped with it, the first of them in words."""

    cells: int
    rows: Figures
    beyond: int = 0
    farthest: date | None = None
    contradictions: int = 0
    contradicted: tuple[str, ...] = ()

    def __add__(self, other: "FileFigures") -> "FileFigures":
        return FileFigures(
            self.cells + other.cells,
            self.rows + other.rows,
            self.beyond + other.beyond,
            max((day for day in (self.farthest, other.farthest) if day), default=None),
            self.contradictions + other.contradictions,
            (self.contradicted + other.contradicted)[:_NAMED],
        )


def curate_file(
    lake: Lake, file: Landed, columns: SnapshotRef, rows: SnapshotRef, run: str, beside: Sequence[Landed] = ()
) -> FileFigures:
    """Merges the file's values, those of one year and one shard of codes at a time.

    A value replaces that of a file which was dropped before, and a cell without one withdraws it. Doing it again
    changes nothing. `beside` are files of the same drop that were taken before. Raises ContractError when all that is
    in the cells goes to quarantine, or when the figures do not add up."""
    years = _years(lake.read(RAW_VENDOR_COLUMNS, [columns]).collect())
    figures = FileFigures(0, Figures())
    with read_lease(lake, RAW_VENDOR_ROWS, [rows]) as lines:
        values = lines.select(pl.col("values").list.drop_nulls().list.len().sum()).collect().item()
        for shard in range(VENDOR_VALUES.shards):
            raw = lines.filter(pl.col("shard") == shard).collect()
            for year, dates in years.items() if raw.height else ():
                cells = sort_cells(raw, dates)
                partition = VENDOR_VALUES.partition(year, shard)
                # A file of which no number could be read says nothing: its layout is wrong.
                covered = _covered(file, cells, dates) if values else None
                count, named = _contradictions(lake, file, partition, cells, dates, beside)
                merged = _publish(lake, file, partition, cells, covered, run)
                # It may be tomorrow already where the file comes from.
                beyond = cells.good.filter(pl.col("date") > file.dropped.date() + timedelta(days=1))["date"]
                farthest = max(beyond, default=None)
                figures += FileFigures(raw.height * len(dates), merged, beyond.len(), farthest, count, named)
    if figures.rows.quarantined and not figures.rows.published:
        raise ContractError(
            f"All {figures.rows.quarantined} values of the file went to quarantine/vendor_values, file={file.id}: "
            f"{_first_reason(lake, file)}. Set layout.decimal if that is it, or correct the file, and drop it again."
        )
    figures.rows.balanced()
    return figures


def _covered(file: Landed, cells: SortedCells, dates: Mapping[int, date]) -> Covered:
    """What files that were dropped before have said of the cells of this one."""

    def covered(stored: pl.DataFrame) -> pl.DataFrame:
        return (
            _of_cells(stored, file, cells, dates)
            .filter(pl.col("received_at") < _dropped(file))
            .with_columns(withdrawn_at=_dropped(file))
        )

    return covered


def _of_cells(stored: pl.DataFrame, file: Landed, cells: SortedCells, dates: Mapping[int, date]) -> pl.DataFrame:
    """The stored rows of the file's series, its codes and its dates."""
    return stored.filter(
        pl.col("series") == (file.folder or _TOP),
        pl.col("code").is_in(cells.numbers.get_column("code").implode()),
        pl.col("date").is_in(sorted(set(dates.values()))),
    )


def _contradictions(
    lake: Lake,
    file: Landed,
    partition: str,
    cells: SortedCells,
    dates: Mapping[int, date],
    beside: Sequence[Landed],
) -> tuple[int, tuple[str, ...]]:
    """How many cells differ from what files beside it have just said, and the first of them in words."""
    others = {other.dropped: other.path for other in beside if other.folder == file.folder}
    current = lake.current(VENDOR_VALUES, partition) if others else None
    if current is None:
        return 0, ()
    said = lake.read(VENDOR_VALUES, [current]).filter(pl.col("received_at").is_in(list(others))).collect()
    differing = (
        _of_cells(said, file, cells, dates)
        .join(cells.good, on=["code", "date"], how="left", suffix="_here")
        .filter(pl.col("value").ne_missing(pl.col("value_here")))
        .sort("code", "date")
    )
    first = differing.head(_NAMED).select("code", "date", "value_here", "value", "received_at").rows()
    return differing.height, tuple(
        f"{code} {day}: {'nothing' if here is None else here}, and {there} in {others[received]}"
        for code, day, here, there, received in first
    )


def _dropped(file: Landed) -> pl.Expr:
    return pl.lit(file.dropped, dtype=pl.Datetime("us", "UTC"))


def _years(columns: pl.DataFrame) -> dict[int, dict[int, date]]:
    """By year, the places of its dates in the `values` of a row, in the order of the file."""
    years: dict[int, dict[int, date]] = {}
    for place, day in columns.sort("place").select("place", "date").iter_rows():
        years.setdefault(day.year, {})[place] = day
    return years


def _publish(
    lake: Lake, file: Landed, partition: str, cells: SortedCells, covered: Covered | None, run: str
) -> Figures:
    received_at = _dropped(file)
    series = pl.lit(file.folder or _TOP)
    good, broken = split_rows(cells.good.with_columns(series=series, received_at=received_at), VENDOR_VALUES)
    bad = pl.concat([cells.bad, _broken(broken, cells)]).with_columns(
        series=series, file=pl.lit(file.path), received_at=received_at
    )
    bad = bad.select(QUARANTINED_VENDOR_VALUES.polars_schema.names()).sort(QUARANTINED_VENDOR_VALUES.sort)
    put_in_quarantine(lake, QUARANTINED_VENDOR_VALUES, f"file={file.id}/{partition}", bad, run)
    counts = Figures(received=cells.received, quarantined=bad.height, duplicates=cells.duplicates)
    return counts + merge_partition(lake, VENDOR_VALUES, partition, good, run, "received_at", covered)


def _broken(broken: pl.DataFrame, cells: SortedCells) -> pl.DataFrame:
    """Rows that break the contract, as the others in quarantine are."""
    rows = broken.with_columns(pl.col("date").str.to_date(), text="value").join(cells.numbers, on="code")
    return rows.select(cells.bad.columns)


def _first_reason(lake: Lake, file: Landed) -> str:
    snapshots = lake.partitions(QUARANTINED_VENDOR_VALUES, f"file={file.id}/")
    row = lake.read(QUARANTINED_VENDOR_VALUES, snapshots).sort("row", "date").head(1).collect().row(0, named=True)
    return f"{row['text']!r} of {row['code']} on {row['date']}, in row {row['row']}: {row['reasons']}"
