"""The rows that a run found withdrawn, by name."""

import polars as pl

from tasks.datasets import Dataset
from tasks.lake import Lake
from tasks.lake.retention.read_leases import read_lease

_NAMED = 20


def name_withdrawn(lake: Lake, withdrawn: Dataset, run: str) -> tuple[str, ...]:
    """The first of the rows that this run removed from a dataset, such as `AAPL.US 2024-01-31`, of its `withdrawn`."""
    mine = [s for s in lake.partitions(withdrawn) if s.run == run]
    with read_lease(lake, withdrawn, mine) as rows:
        first = rows.filter(pl.col("run") == run).sort(withdrawn.key).head(_NAMED).select(withdrawn.key).collect()
    return tuple(" ".join(map(str, key)) for key in first.iter_rows())
