"""A reference to a snapshot: what passes between tasks, never a frame."""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from tasks.datasets import State


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
