"""Conformance: the ledger says what a table has, and loading a snapshot twice loads it once."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from tasks.errors import ContractError, TransientError
from tasks.load.ledger import Loads, RunRow, Runs
from tasks.load.load_result import LoadResult
from tasks.load.request import NOTHING
from tasks.load.warehouse import Warehouse, open_warehouse
from tests.tasks.warehouses.examples import QUOTES, Quotes, dataset, part, query, quotes, table

LOADS_TYPES = {name: column.dtype for name, column in Loads.columns().items()}
RUNS_TYPES = {name: column.dtype for name, column in Runs.columns().items()}
ONE, TWO, THREE = (quotes(("A", 1, float(n), n)) for n in (1, 2, 3))


def test_nothing_is_loaded_before_the_first_load(warehouse: Warehouse) -> None:
    assert warehouse.loaded(QUOTES) == {}


def test_the_ledger_has_the_latest_snapshot_of_each_partition(warehouse: Warehouse) -> None:
    warehouse.load(QUOTES, [part("s1", ONE), part("s1", quotes(("B", 1, 1.0, 1)), partition="q")], run="r1")
    warehouse.load(QUOTES, [part("s2", TWO, base="s1")], run="r2")
    warehouse.load(dataset(Quotes, "others"), [part("s9", ONE)], run="r3")

    assert warehouse.loaded(QUOTES) == {"p": "s2", "q": "s1"}
    found = query(
        warehouse,
        "SELECT partition, snapshot, rows, run FROM etl_loads WHERE dataset = :d ORDER BY loaded_at",
        {"d": "quotes"},
    )
    assert found.rows() == [("p", "s1", 1, "r1"), ("q", "s1", 1, "r1"), ("p", "s2", 1, "r2")]


def test_a_snapshot_is_loaded_once(warehouse: Warehouse) -> None:
    first = part("s1", ONE)

    assert warehouse.load(QUOTES, [first, first], run="r1") == LoadResult(inserted=1, parts_loaded=1, parts_skipped=1)
    assert warehouse.load(QUOTES, [first], run="r2") == LoadResult(parts_skipped=1)
    assert warehouse.load(QUOTES, [first], "append", run="r3") == LoadResult(parts_skipped=1)


def test_an_older_snapshot_that_comes_late_is_not_loaded_over_a_newer_one(warehouse: Warehouse) -> None:
    for snapshot, rows in (("s1", ONE), ("s2", TWO), ("s1", ONE)):
        warehouse.load(QUOTES, [part(snapshot, rows)], run="r")

    assert_frame_equal(table(warehouse), TWO)


def test_a_snapshot_can_come_back_when_the_change_says_so(warehouse: Warehouse) -> None:
    for snapshot, rows, base in (("s1", ONE, NOTHING), ("s2", TWO, "s1"), ("s1", ONE, "s2")):
        warehouse.load(QUOTES, [part(snapshot, rows, base=base)], run="r")

    assert warehouse.loaded(QUOTES) == {"p": "s1"}
    assert_frame_equal(table(warehouse), ONE)


def test_a_change_made_for_another_state_is_refused(warehouse: Warehouse) -> None:
    warehouse.load(QUOTES, [part("s1", ONE, base=NOTHING)], run="r1")
    warehouse.load(QUOTES, [part("s2", TWO, base="s1")], run="r2")

    with pytest.raises(TransientError, match=r"at snapshot s2 .* to s3 was worked out against s1"):
        warehouse.load(QUOTES, [part("s3", THREE, base="s1")], run="r3")
    with pytest.raises(TransientError, match="worked out against none"):
        warehouse.load(QUOTES, [part("s3", THREE, base=NOTHING)], run="r3")

    assert warehouse.load(QUOTES, [part("s2", TWO, base="s1")], run="r4") == LoadResult(parts_skipped=1)
    assert_frame_equal(table(warehouse), TWO)


def test_a_clock_that_goes_back_does_not_bring_an_old_snapshot_back(warehouse_url: str) -> None:
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    clock: Iterator[datetime] = iter([noon, noon - timedelta(hours=1), noon])
    for snapshot, rows in (("s1", ONE), ("s2", TWO), ("s3", THREE)):
        with open_warehouse(warehouse_url, clock=clock.__next__) as warehouse:
            warehouse.load(QUOTES, [part(snapshot, rows)], run="r")

    with open_warehouse(warehouse_url) as warehouse:
        assert warehouse.loaded(QUOTES) == {"p": "s3"}
        loads = query(warehouse, "SELECT snapshot, loaded_at FROM etl_loads ORDER BY loaded_at", types=LOADS_TYPES)
    assert loads.rows() == [
        ("s1", noon),
        ("s2", noon + timedelta(microseconds=1)),
        ("s3", noon + timedelta(microseconds=2)),
    ]


def test_what_fails_is_not_in_the_ledger(warehouse: Warehouse) -> None:
    bad = part("s1", ONE.with_columns(close=None), partition="q")

    with pytest.raises(ContractError):
        warehouse.load(QUOTES, [part("s1", ONE), bad], run="r1")

    assert warehouse.loaded(QUOTES) == {}
    assert warehouse.load(QUOTES, [part("s1", ONE)], run="r2").inserted == 1


def test_a_table_that_was_dropped_is_loaded_anew(warehouse: Warehouse, execute: Callable[[str], int]) -> None:
    warehouse.load(QUOTES, [part("s1", ONE)], run="r1")
    warehouse.load(dataset(Quotes, "others"), [part("s1", ONE)], run="r1")
    execute("DROP TABLE quotes")

    assert warehouse.loaded(QUOTES) == {}
    assert warehouse.load(QUOTES, [part("s1", ONE, base=NOTHING)], run="r2").inserted == 1
    assert warehouse.loaded(dataset(Quotes, "others")) == {"p": "s1"}


def test_a_run_is_recorded_and_recorded_anew(warehouse: Warehouse) -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    started = datetime(2024, 1, 1, 5, 45, tzinfo=kathmandu)
    row = RunRow(run="r1", flow="market_prices", started=started, state="Running")
    done = row.model_copy(
        update={
            "state": "Completed",
            "ended": datetime(2024, 1, 1, 1, tzinfo=UTC),
            "window_first": date(2023, 12, 25),
            "window_last": date(2023, 12, 31),
            "rows_in": 70,
            "quarantined": 3,
        }
    )

    for each in (row, row.model_copy(update={"run": "r0"}), done):
        warehouse.record_run(each)

    found = query(warehouse, "SELECT * FROM etl_runs ORDER BY run", types=RUNS_TYPES).to_dicts()
    assert [r["state"] for r in found] == ["Running", "Completed"]
    assert found[0]["ended"] is None
    assert found[1] == done.model_dump() | {"started": datetime(2024, 1, 1, tzinfo=UTC)}


def test_a_run_needs_times_with_a_zone() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        RunRow(run="r1", flow="f", started=datetime(2024, 1, 1), state="Running")  # noqa: DTZ001
