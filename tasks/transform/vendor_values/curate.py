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
from tasks.transform.vendor_values.cells import ANOTHER_BEFORE, SortedCells, sort_cells
from tasks.transform.withdrawal import Covered

_TOP = "default"  # the series of files that are dropped in no folder


_NAMED = 20  # cells at most in a message


@dataclass(frozen=True)
class FileFigures:
    """What became of a file: of all its `cells` of dates, `rows.received` have something in them.

    `beyond` are good values of days after the file was dropped, the last of which is `farthest`. `contradictions` are
    cells that say otherwise than a file which was dropped with it, the first of them in words; `conflicting` those that
    say otherwise than one before them in the file itself, of the same code and date."""

    cells: int
    rows: Figures
    beyond: int = 0
    farthest: date | None = None
    contradictions: int = 0
    contradicted: tuple[str, ...] = ()
    conflicting: int = 0

    def __add__(self, other: "FileFigures") -> "FileFigures":
        return FileFigures(
            self.cells + other.cells,
            self.rows + other.rows,
            self.beyond + other.beyond,
            max((day for day in (self.farthest, other.farthest) if day), default=None),
            self.contradictions + other.contradictions,
            (self.contradicted + other.contradicted)[:_NAMED],
            self.conflicting + other.conflicting,
        )


def curate_file(
    lake: Lake, file: Landed, columns: SnapshotRef, rows: SnapshotRef, run: str, beside: Sequence[Landed] = ()
) -> FileFigures:
    """Merges the file's values, those of one year and one shard of codes at a time.

    A value replaces that of a file which was dropped before, and a cell without one withdraws it. Doing it again
    changes nothing. `beside` are files of the same drop that were taken before. Raises ContractError when the figures
    do not add up, and when all that is in the cells goes to quarantine, or of cells that are no numbers or without an
    identifier a larger share than the limits of the dataset let: then no value is merged."""
    years = _years(lake.read(RAW_VENDOR_COLUMNS, [columns]).collect())
    figures = FileFigures(0, Figures())
    with read_lease(lake, RAW_VENDOR_ROWS, [rows]) as lines:
        values, unfit = lines.select(_SOUND.sum(), _UNFIT.sum()).collect().row(0)
        # A file of which hardly a number could be read says nothing: its layout is wrong.
        is_sound = values > 0 and VENDOR_VALUES.limits.judge(unfit, values + unfit) != "failure"
        for shard in range(VENDOR_VALUES.shards):
            raw = lines.filter(pl.col("shard") == shard).collect()
            for year, dates in years.items() if raw.height else ():
                cells = sort_cells(raw, dates)
                partition = VENDOR_VALUES.partition(year, shard)
                count, named = _contradictions(lake, file, partition, cells, dates, beside)
                good, merged = _set_apart(lake, file, partition, cells, run)
                if is_sound:
                    covered = _covered(file, cells, dates)
                    merged += merge_partition(lake, VENDOR_VALUES, partition, good, run, "received_at", covered)
                # It may be tomorrow already where the file comes from.
                beyond = cells.good.filter(pl.col("date") > file.dropped.date() + timedelta(days=1))["date"]
                farthest = max(beyond, default=None)
                conflicting = int((cells.bad["reasons"] == ANOTHER_BEFORE).sum())
                figures += FileFigures(
                    raw.height * len(dates), merged, beyond.len(), farthest, count, named, conflicting
                )
    bad, received = figures.rows.quarantined, figures.rows.received
    if bad and (not is_sound or not figures.rows.published):
        raise ContractError(
            f"{'All' if bad == received else f'{bad} of'} {received} values of the file went to "
            f"quarantine/vendor_values, file={file.id}: {_first_reason(lake, file)}. None was merged. Set "
            "layout.decimal if that is it, or correct the file, and drop it again."
        )
    figures.rows.balanced()
    return figures


_VALUES = pl.col("values").list.drop_nulls().list.len()
_HAS_CODE = pl.col("code").is_not_null()
_SOUND = pl.when(_HAS_CODE).then(_VALUES).otherwise(0).alias("sound")  # cells of a row
_UNFIT = pl.when(_HAS_CODE).then(0).otherwise(_VALUES) + pl.col("unread").list.len().fill_null(0)


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


def _set_apart(lake: Lake, file: Landed, partition: str, cells: SortedCells, run: str) -> tuple[pl.DataFrame, Figures]:
    """Puts what cannot be used in quarantine. Returns the rows of VENDOR_VALUES, and the figures but for these."""
    received_at = _dropped(file)
    series = pl.lit(file.folder or _TOP)
    good, broken = split_rows(cells.good.with_columns(series=series, received_at=received_at), VENDOR_VALUES)
    bad = pl.concat([cells.bad, _broken(broken, cells)]).with_columns(
        series=series, file=pl.lit(file.path), received_at=received_at
    )
    bad = bad.select(QUARANTINED_VENDOR_VALUES.polars_schema.names()).sort(QUARANTINED_VENDOR_VALUES.sort)
    put_in_quarantine(lake, QUARANTINED_VENDOR_VALUES, f"file={file.id}/{partition}", bad, run)
    return good, Figures(received=cells.received, quarantined=bad.height, duplicates=cells.duplicates)


def _broken(broken: pl.DataFrame, cells: SortedCells) -> pl.DataFrame:
    """Rows that break the contract, as the others in quarantine are."""
    rows = broken.with_columns(pl.col("date").str.to_date(), text="value").join(cells.numbers, on="code")
    return rows.select(cells.bad.columns)


def _first_reason(lake: Lake, file: Landed) -> str:
    snapshots = lake.partitions(QUARANTINED_VENDOR_VALUES, f"file={file.id}/")
    row = lake.read(QUARANTINED_VENDOR_VALUES, snapshots).sort("row", "date").head(1).collect().row(0, named=True)
    return f"{row['text']!r} of {row['code']} on {row['date']}, in row {row['row']}: {row['reasons']}"
