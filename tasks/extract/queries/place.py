"""Where a run of a query goes on, and which snapshots may have rows that come again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tasks.database import Cursor
from tasks.datasets import Dataset
from tasks.extract.queries import cursor as cursors
from tasks.lake import Lake, SnapshotRef


@dataclass(frozen=True)
class Place:
    """`number` is that of the snapshot to be made; `ahead` are those before it that have rows beyond the cursor."""

    number: int
    cursor: Cursor
    ahead: Mapping[int, Cursor]
    after: Cursor  # what is read begins here
    overlap: tuple[SnapshotRef, ...]  # that have rows from there on, oldest first

    @property
    def known_to(self) -> Any:  # noqa: ANN401 - of the kind of the cursor
        """No snapshot has rows beyond it."""
        reaches: list[Any] = [self.cursor, *self.ahead.values()]
        return max(reaches)


def find_place(lake: Lake, dataset: Dataset, part: str, start: Cursor, lag: timedelta | int, parameters: str) -> Place:
    """Raises ConfigurationError for what was read with other parameters, or with another kind of cursor."""
    last: cursors.StoredCursor | None = None
    after: Any = _earlier(cursors.in_utc(start), lag)
    overlap: dict[int, SnapshotRef] = {}
    # Cursors only grow: those before one that is too early are too. That one knows which of them are ahead of it.
    for kept in cursors.find_stored(lake, dataset, part, start, parameters):
        if last is None:
            last, after = kept, _earlier(kept.cursor, lag)
        if kept.cursor < after:
            ahead = [number for number, reach in kept.ahead.items() if reach >= after and number not in overlap]
            snapshots = {number: lake.current(dataset, cursors.partition(part, number)) for number in ahead}
            overlap |= {number: snapshot for number, snapshot in snapshots.items() if snapshot}
            break
        overlap[kept.number] = kept.snapshot
    oldest_first = tuple(overlap[number] for number in sorted(overlap))
    if last is None:
        return Place(1, cursors.in_utc(start), {}, after, oldest_first)
    return Place(last.number + 1, last.cursor, last.ahead, after, oldest_first)


def _earlier(cursor: Any, lag: Any) -> Any:  # noqa: ANN401 - a number and a number, or a time and a timedelta
    return cursor - lag if lag else cursor
