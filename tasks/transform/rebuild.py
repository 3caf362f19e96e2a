"""What has to be curated again from raw, because a part of what was made of it is gone."""

from collections.abc import Collection, Iterable

from tasks.datasets import CURATED_WINDOWS, FETCHES, PRICES, QUARANTINED_PRICES, RAW_PRICES, WITHDRAWN_PRICES
from tasks.lake import Lake, SnapshotRef
from tasks.lake.damage import forget
from tasks.lake.retention.read_leases import home_of
from tasks.window import Window

_YEARLY = {home_of(PRICES), home_of(WITHDRAWN_PRICES)}
_BY_WINDOW = {home_of(CURATED_WINDOWS), home_of(QUARANTINED_PRICES)}
_RAW = (RAW_PRICES, FETCHES)


def forget_damaged(lake: Lake, damaged: Iterable[SnapshotRef], lost: Collection[str]) -> list[Window]:
    """Makes as if the damaged partitions had never been published; `lost` are others of `curated/prices`, by name.

    Returns the windows to curate again. The bars and the fetches of a part of a window go together, so that its codes
    are asked for again. No run may be writing meanwhile."""
    years = {place[0] for partition in lost if (place := PRICES.place(partition))}
    windows: set[str] = set()
    for snapshot in damaged:
        home = f"{snapshot.state}/{snapshot.dataset}"
        forget(lake.store, snapshot)
        for dataset in _RAW if home in map(home_of, _RAW) else ():
            if other := lake.current(dataset, snapshot.partition):
                forget(lake.store, other)
        if home in _YEARLY and (place := PRICES.place(snapshot.partition)):
            years.add(place[0])
        if home in _BY_WINDOW:
            windows.add(_window_of(snapshot.partition))
    fetched = {_window_of(s.partition) for s in lake.partitions(RAW_PRICES)}
    found = [Window.parse(name) for name in sorted(fetched)]
    return [w for w in found if str(w) in windows or not years.isdisjoint(w.years())]


def _window_of(partition: str) -> str:
    return partition.partition("/")[0].removeprefix("window=")
