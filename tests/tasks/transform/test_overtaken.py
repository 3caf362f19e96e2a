"""A run that is overtaken while it measures does not put its older measures in the place of the newer ones."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tasks.datasets import PRICE_MEASURES, PRICES, VENDOR_MEASURES, VENDOR_VALUES, Dataset
from tasks.lake import Lake, open_lake
from tasks.lake.store import Store
from tasks.transform.update_measures import update_measures
from tasks.transform.vendor_values.measure import measure_vendor_values
from tasks.window import Window
from tests.tasks.transform.examples import curated, raw_row, receive
from tests.tasks.transform.vendor_values.test_curate import mean_of, measures, take, values

DAYS = [date(2024, 1, 2), date(2024, 1, 3)]
JANUARY = Window(first=date(2024, 1, 1), last=date(2024, 1, 31))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path))


class Slow:
    """A store in which another run does all its work before one call: of this method, on a path of this dataset."""

    def __init__(self, store: Store, method: str, dataset: Dataset, other: Callable[[], object]) -> None:
        self._store, self._method, self._other = store, method, other
        self._home = f"{dataset.state}/{dataset.name}/"
        self._done = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name != self._method:
            return found

        def called(path: str, *more: Any) -> Any:
            if path.startswith(self._home) and not self._done and ("year=" in path or name == "entries"):
                self._done = True
                self._other()
            return found(path, *more)

        return called


@pytest.mark.parametrize(
    ("method", "dataset"),
    [("create", PRICE_MEASURES), ("swap", PRICE_MEASURES), ("read", PRICE_MEASURES), ("entries", PRICES)],
)
def test_weekly_measures(lake, method, dataset):
    receive(lake, raw_row(day="2024-01-02"), JANUARY)
    curated(lake, JANUARY)

    def other() -> None:
        receive(lake, raw_row(day="2024-01-02", fetched=1, adjusted_close=20.0, close=20.0, high=20.0), JANUARY)
        curated(lake, JANUARY)
        update_measures(lake, "fast")

    store: Any = Slow(lake.store, method, dataset, other)
    update_measures(Lake(store), "slow")

    (made,) = lake.partitions(PRICE_MEASURES)
    assert lake.read(PRICE_MEASURES, [made]).collect()["average_10w"].to_list() == [20.0]
    assert made.inputs[1:] == tuple(s.snapshot for s in lake.partitions(PRICES))


@pytest.mark.parametrize(
    ("method", "dataset"),
    [("create", VENDOR_MEASURES), ("swap", VENDOR_MEASURES), ("read", VENDOR_MEASURES), ("entries", VENDOR_VALUES)],
)
def test_means_of_vendor_values(lake, method, dataset):
    take(lake, ("A", [1.0, 2.0]), dates=DAYS)

    def other() -> None:
        take(lake, ("A", [1.0, 4.0]), ("B", [5.0, None]), dates=DAYS, hours=1)
        measure_vendor_values(lake, 2, "fast")

    store: Any = Slow(lake.store, method, dataset, other)
    measure_vendor_values(Lake(store), 2, "slow")

    assert values(lake) == {("A", DAYS[0]): 1.0, ("A", DAYS[1]): 4.0, ("B", DAYS[0]): 5.0}
    assert measures(lake) == mean_of(values(lake), 2)
