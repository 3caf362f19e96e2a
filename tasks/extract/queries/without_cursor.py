"""Rows of a query that cannot be used. Of those without a cursor nobody can say whether they are new, so quarantine has
the ones that there are now; those with values that the dataset cannot hold are kept by the run that read them."""

from collections.abc import Callable, Iterator

import polars as pl

from tasks.datasets import Dataset
from tasks.errors import ContractError
from tasks.extract.queries.new_rows import FETCHED_AT
from tasks.lake import Change, Lake, SnapshotRef


def put_in_quarantine(
    lake: Lake, quarantine: Dataset, part: str, read: Callable[[], Iterator[pl.DataFrame]], cursor: str, run: str
) -> int:
    """Makes the rows, which are texts, all that the part has in quarantine. Returns how many they are.

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
        return frame.with_columns(reasons=pl.lit(f"{cursor} is missing"))

    lake.update(quarantine, part, change, run)
    return rows


class Unfit:
    """Rows that do not fit, with their reasons, in memory."""

    def __init__(self) -> None:
        self.rows = 0
        self._frames: list[pl.DataFrame] = []

    def sift(self, good: pl.DataFrame, bad: pl.DataFrame) -> pl.DataFrame:
        """Keeps the bad ones. Raises ContractError for so many that it is not the rows that are wrong."""
        self.rows += bad.height
        if bad.height:
            self._frames.append(bad)
        if self.rows > _MOST_UNFIT:
            raise ContractError(
                f"More than {_MOST_UNFIT:,} rows of the query do not fit into the dataset. {self.first_reason}. "
                "Convert it in the query with CAST, or change the dataset."
            )
        return good

    @property
    def first_reason(self) -> str:
        return str(self._frames[0].item(0, "reasons")) if self._frames else ""

    def keep(self, lake: Lake, quarantine: Dataset, partition: str, run: str) -> None:
        """Makes them all that the partition has."""

        def change(current: SnapshotRef | None) -> Change | None:
            return Change(self._frames, inputs=()) if self._frames or current else None

        lake.update(quarantine, partition, change, run)


_MOST_UNFIT = 100_000
