"""Rows of a query that have no cursor: nobody can say whether they are new, so quarantine has those there are now."""

from collections.abc import Callable, Iterator

import polars as pl

from tasks.datasets import Dataset
from tasks.extract.queries.new_rows import FETCHED_AT
from tasks.lake import Change, Lake, SnapshotRef


def put_in_quarantine(
    lake: Lake, quarantine: Dataset, part: str, read: Callable[[], Iterator[pl.DataFrame]], cursor: str, run: str
) -> int:
    """Makes the rows all that the part has in quarantine, as texts. Returns how many they are.

    `read` is called once where they are the same as before, else once more: in memory is one frame at a time."""
    rows, sum_of_hashes = 0, 0
    for frame in read():
        rows += frame.height
        sum_of_hashes += sum(frame.drop(FETCHED_AT, strict=False).hash_rows().to_list())
    inputs = (f"rows {rows} {sum_of_hashes}",)

    def change(current: SnapshotRef | None) -> Change | None:
        is_same = current.inputs == inputs if current else not rows
        return None if is_same else Change(map(_as_texts, read()), inputs)

    def _as_texts(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.cast(pl.String).with_columns(reasons=pl.lit(f"{cursor} is missing"))

    lake.update(quarantine, part, change, run)
    return rows
