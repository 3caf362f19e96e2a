"""Parquet datasets in blob storage: the hand-off between all tasks.

`{state}/{dataset}/{partition}/{snapshot}/part-00000.parquet`, and `{state}/{dataset}/{partition}/_current.json`, which
names the snapshot that readers see. A snapshot never changes; publishing one ends with swapping `_current.json` by
compare-and-swap, so that readers see the old one or the new one, whole, and a writer that dies leaves files that nobody
reads.
"""

from tasks.lake.azure.credentials import LakeCredentials
from tasks.lake.configured import configured_lake
from tasks.lake.lake import Change, Lake, LostRaceError, open_lake
from tasks.lake.snapshots.reference import SnapshotRef

__all__ = ["Change", "Lake", "LakeCredentials", "LostRaceError", "SnapshotRef", "configured_lake", "open_lake"]
