"""Merges rows into a dataset by its key: the row that came last stands, and doing it again changes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import polars as pl

from tasks.datasets import UNDIVIDED, Dataset, shard_of
from tasks.errors import ContractError
from tasks.lake import Change, Lake, SnapshotRef
from tasks.transform.withdrawal import Covered, keep_withdrawn, taken_back_later


@dataclass(frozen=True)
class Figures:
    """Rows, by what became of them."""

    received: int = 0
    quarantined: int = 0
    duplicates: int = 0  # with a key that another row has that was received with it
    added: int = 0
    revised: int = 0  # with other values than the lake had
    unchanged: int = 0
    withdrawn: int = 0  # rows that the lake had, and that the source does not give any more: none of those received

    @property
    def published(self) -> int:
        return self.added + self.revised + self.unchanged

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def balanced(self) -> "Figures":
        """These figures. Raises ContractError unless every row received is accounted for."""
        if self.received != self.published + self.quarantined + self.duplicates:
            raise ContractError(f"Rows were lost or made while curating: {self}. This is a fault of the program.")
        return self


def merge(lake: Lake, dataset: Dataset, rows: pl.DataFrame, run: str, newest: str = "fetched_at") -> Figures:
    """Publishes each partition that the rows belong to with these rows in it: how many were added, revised, unchanged.

    Rows have the dataset's columns and distinct keys. They go by the year of its period, and by the shard of `code` if
    it has more than one. A row replaces a stored one unless that is as new, by the column `newest`: so it does not
    matter in what order fetches are merged."""
    figures = Figures()
    for partition, some in _parts(dataset, rows):
        figures += merge_partition(lake, dataset, partition, some, run, newest)
    return figures


def merge_partition(
    lake: Lake,
    dataset: Dataset,
    partition: str,
    rows: pl.DataFrame,
    run: str,
    newest: str = "fetched_at",
    covered: Covered | None = None,
) -> Figures:
    """As `merge`, for rows that belong to one partition.

    Stored rows that `covered` finds, and that are not among these rows, are withdrawn. Raises ContractError when rows
    would be lost or made."""
    figures = Figures()
    values = [name for name in dataset.polars_schema if name not in (*dataset.key, newest)]

    def change(current: SnapshotRef | None) -> Change | None:
        nonlocal figures
        stored = lake.read(dataset, [current] if current else []).collect()
        compared = rows.join(stored, on=dataset.key, how="left", suffix="_stored", maintain_order="left")
        added = compared.filter(pl.col(f"{newest}_stored").is_null())
        # Also those with the same values: that they were fetched so late keeps an earlier fetch from replacing them.
        later = compared.filter(pl.col(newest) > pl.col(f"{newest}_stored"))
        revised = later.filter(pl.any_horizontal(pl.col(v).ne_missing(pl.col(f"{v}_stored")) for v in values)).height
        gone = stored.clear()
        if covered:
            gone = covered(stored).join(rows, on=dataset.key, how="anti")
            added = added.join(taken_back_later(lake, dataset, partition, added, newest), on=dataset.key, how="anti")
        figures = Figures(
            added=added.height, revised=revised, unchanged=rows.height - added.height - revised, withdrawn=gone.height
        )
        if added.is_empty() and later.is_empty() and gone.is_empty():
            return None
        keep_withdrawn(lake, dataset, partition, gone, run)
        replaced = pl.concat([frame.select(dataset.key) for frame in (later, gone)])
        kept = stored.join(replaced, on=dataset.key, how="anti") if replaced.height else stored
        merged = pl.concat([kept, *(frame.select(stored.columns) for frame in (added, later))])
        if merged.height != stored.height + added.height - gone.height:
            raise ContractError(f"Rows of {partition} were lost or made while merging. This is a fault of the program.")
        return Change([merged.sort(dataset.sort)], inputs=(), merged=True)

    lake.update(dataset, partition, change, run)
    return figures


def latest(rows: pl.DataFrame, dataset: Dataset, newest: str = "fetched_at") -> pl.DataFrame:
    """One row per key: the newest, and of those that are as new the one that came last."""
    ordered = rows.sort(*dataset.key, newest, maintain_order=True)
    repeated = pl.all_horizontal(pl.col(k) == pl.col(k).shift(-1) for k in dataset.key).fill_null(value=False)
    return ordered.filter(~repeated)


def _parts(dataset: Dataset, rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    if dataset.period is None:
        if rows.height:
            yield UNDIVIDED, rows
        return
    placed = rows.with_columns(_year=pl.col(dataset.period).dt.year(), _shard=pl.lit(0))
    if dataset.shards > 1:
        codes = rows.get_column("code").unique()
        shards = pl.DataFrame({"code": codes, "_shard": [shard_of(code, dataset.shards) for code in codes]})
        placed = placed.drop("_shard").join(shards, on="code", maintain_order="left")
    for (year, shard), some in placed.group_by("_year", "_shard", maintain_order=True):
        yield dataset.partition(int(str(year)), int(str(shard))), some.drop("_year", "_shard")
