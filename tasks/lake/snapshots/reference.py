"""A reference to a snapshot: what passes between tasks, never a frame."""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from tasks.datasets import State

_REMEMBERED = 100  # snapshots before this one, so that a pointer stays small


class SnapshotRef(BaseModel):
    """What `_current.json` says of a partition. Small, frozen, and enough to read the data from any process."""

    model_config = ConfigDict(frozen=True)

    state: State
    dataset: str
    partition: str
    snapshot: str  # its id: unique, and later ones sort after earlier ones
    files: tuple[str, ...]  # paths within the lake
    rows: int
    bytes: int
    fingerprint: str  # of the schema
    first: date | None  # smallest and largest date, where the dataset has one
    last: date | None
    run: str  # the flow run that wrote it
    inputs: tuple[str, ...]  # ids of the snapshots it was made from
    created: datetime  # UTC
    ancestors: tuple[str, ...] = ()  # ids of the snapshots that it came after, oldest first
    from_the_first: bool = False  # whether these are all: not of one with many, or that an older version wrote

    def continues(self, other: str) -> bool:
        """Whether it came after this snapshot, one step after the other. One that was put back did not come after
        those that it took the place of, whatever the clock says."""
        if other in (*self.ancestors, self.snapshot):
            return True
        return not self.from_the_first and other < min(self.ancestors, default=self.snapshot)

    @staticmethod
    def after(before: "SnapshotRef | None") -> tuple[tuple[str, ...], bool]:
        """The `ancestors` of the next snapshot, and whether they are all."""
        if before is None:
            return (), True
        ancestors = (*before.ancestors, before.snapshot)
        return ancestors[-_REMEMBERED:], before.from_the_first and len(ancestors) <= _REMEMBERED
