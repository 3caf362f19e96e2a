"""An operator puts lakes and warehouses back, and takes rows and partitions away, between loads: after each load and
reconciliation both are as the truth, or the load has refused."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from polars.testing import assert_frame_equal

from tasks.datasets import Dataset
from tasks.lake import Change, Lake, open_lake
from tasks.load.changes import changes
from tasks.load.losses import LossError
from tasks.load.warehouse import Warehouse, open_warehouse
from tests.tasks.warehouses.examples import Quotes, quotes, table

QUOTES = Dataset("quotes", "published", Quotes, sort=("day",), period="day", table="quotes")
PARTITION = QUOTES.partition(2024)
rows_of_source = st.dictionaries(
    st.tuples(st.sampled_from("AB"), st.integers(1, 4)), st.sampled_from([1.0, 2.0]), min_size=2, max_size=6
)

_BY_HAND = (
    "DELETE FROM quotes WHERE day > '2024-01-02'",
    "UPDATE quotes SET close = close + 1",
    "DELETE FROM etl_loads",
)


class Operator(RuleBasedStateMachine):
    """`truth` is what the source has said up to now; a run that is not refused leaves both stores equal to it."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self.home = Path(self._folder.name) / "home"
        self.home.mkdir()
        self.truth = quotes()
        self.copies = 0
        self.hurt = ""  # the store that is not as runs left it; were it both, nobody could know the truth
        self.now = datetime(2024, 6, 1, tzinfo=UTC)
        self.run({("A", 1): 1.0, ("B", 1): 1.0})

    def teardown(self) -> None:
        try:
            self.reconcile(mending=True)
        finally:
            self._folder.cleanup()

    def _lake(self) -> Lake:
        self.now += timedelta(hours=1)
        return Lake(open_lake(str(self.home / "lake")).store, lambda: self.now)

    def _warehouse(self) -> Warehouse:
        return open_warehouse(f"sqlite:///{self.home}/warehouse.sqlite")

    def _load(self, lake: Lake, *, mending: bool) -> bool:
        with self._warehouse() as warehouse:
            again = warehouse.compare(lake, QUOTES) if mending else ()
            parts = changes(lake, QUOTES, warehouse.loaded(QUOTES), again)
            try:
                warehouse.load(QUOTES, parts, run="run")
            except LossError:
                return False
            return True

    @rule(rows=rows_of_source)
    def run(self, rows: dict[tuple[str, int], float]) -> None:
        """The source revises a part of what it said, and says more: a run merges that into what the lake has."""
        said = quotes(*((code, day, close, None) for (code, day), close in rows.items()))
        self.truth = pl.concat([self.truth.join(said, on=QUOTES.key, how="anti"), said])
        lake = self._lake()

        def change(current: object) -> Change:
            stored = lake.read(QUOTES, [current] if current else []).collect()  # type: ignore[list-item]
            return Change([pl.concat([stored.join(said, on=QUOTES.key, how="anti"), said]).sort("day")], ())

        lake.update(QUOTES, PARTITION, change, "run")
        self._load(lake, mending=False)
        self.copies += 1
        shutil.copytree(self.home / "lake", self.home.with_name(f"lake {self.copies}"))
        shutil.copy(self.home / "warehouse.sqlite", self.home.with_name(f"warehouse {self.copies}"))

    @rule(mending=st.booleans())
    def reconcile(self, *, mending: bool) -> None:
        """Also of a load by itself it holds that nothing of the truth is lost from both stores."""
        lake = self._lake()
        if not self._load(lake, mending=mending):
            return
        stored = lake.read(QUOTES, lake.partitions(QUOTES)).collect().sort(QUOTES.key)
        with self._warehouse() as warehouse:
            found, differing = table(warehouse, QUOTES), warehouse.compare(lake, QUOTES)
        assert found.equals(stored) or differing, "a table that is otherwise than the lake passes for the same"
        if mending:
            assert_frame_equal(found, self.truth.sort(QUOTES.key))
            self.hurt = ""

    @rule(which=st.integers(0, 20), store=st.sampled_from(["lake", "warehouse"]))
    def put_back(self, which: int, store: str) -> None:
        if not self._hurts(store):
            return
        copy = self.home.with_name(f"{store} {which % self.copies + 1}")
        if store == "warehouse":
            shutil.copy(copy, self.home / "warehouse.sqlite")
            return
        shutil.rmtree(self.home / "lake")
        shutil.copytree(copy, self.home / "lake")

    @rule()
    def lose_the_partition(self) -> None:
        if self._hurts("lake"):
            shutil.rmtree(self.home / "lake" / "published" / "quotes" / PARTITION, ignore_errors=True)

    @rule(sql=st.sampled_from(_BY_HAND))
    def change_by_hand(self, sql: str) -> None:
        if self._hurts("warehouse"):
            with closing(sqlite3.connect(self.home / "warehouse.sqlite")) as connection, connection:
                connection.execute(sql)

    def _hurts(self, store: str) -> bool:
        if self.hurt in ("", store):
            self.hurt = store
        return self.hurt == store


def test_an_older_lake_takes_nothing_along() -> None:
    operator = Operator()
    operator.run({("A", 2): 1.0, ("B", 2): 2.0})
    operator.put_back(0, "lake")
    operator.run({("A", 3): 1.0, ("B", 3): 2.0})
    operator.teardown()


def test_after_anything_both_are_as_the_truth_or_it_was_refused() -> None:
    options = settings(max_examples=15, stateful_step_count=6, derandomize=True, database=None)
    run_state_machine_as_test(Operator, settings=options)
