"""Conformance: runs that use one warehouse at the same time, and runs that are killed."""

import random
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from tasks.database.transaction import writing
from tasks.errors import TransientError
from tasks.load.request import NOTHING
from tasks.load.warehouse import Warehouse, open_warehouse
from tests.tasks.warehouses import program
from tests.tasks.warehouses.examples import QUOTES, part, quotes, table
from tests.tasks.warehouses.processes import Process

END = ("loaded", "refused")
ALL = f"loaded {program.PARTS * program.CODES * program.DAYS}"


def test_two_runs_with_the_same_snapshot_load_it_once(warehouse_url: str) -> None:
    with Process(program.load, warehouse_url, "1") as one, Process(program.load, warehouse_url, "1") as two:
        ends = sorted(process.heard(*END) for process in (one, two))

    assert ends == ["loaded 0", ALL]
    with open_warehouse(warehouse_url) as warehouse:
        assert_frame_equal(table(warehouse), program.everything("1"))


def test_of_two_runs_with_different_changes_the_second_is_told_to_try_again(warehouse_url: str) -> None:
    with (
        Process(program.load, warehouse_url, "1", NOTHING) as one,
        Process(program.load, warehouse_url, "2", NOTHING) as two,
    ):
        ends = {"1": one.heard(*END), "2": two.heard(*END)}

    (won,) = [snapshot for snapshot, end in ends.items() if end == ALL]
    (lost,) = [end for end in ends.values() if end != ALL]
    assert "another run came first" in lost
    with open_warehouse(warehouse_url) as warehouse:
        assert set(warehouse.loaded(QUOTES).values()) == {won}
        assert_frame_equal(table(warehouse), program.everything(won))


def test_a_lock_that_does_not_come_is_a_clear_error_in_time(warehouse_url: str) -> None:
    with (
        Process(program.hold, warehouse_url) as holder,
        open_warehouse(warehouse_url, lock_timeout=0.2) as warehouse,
    ):
        assert holder.heard("held") == "held"

        with pytest.raises(TransientError, match=r"within 0\.2 s.*lock_timeout") as raised:
            warehouse.load(QUOTES, [part("s1", quotes(("A", 1, 1.0, 1)))], run="r1")
        if "sqlite" not in warehouse_url or Path("/proc/locks").exists():  # else the system does not tell
            assert f"held by process {holder.pid} (" in str(raised.value)

        holder.kill()
        assert warehouse.load(QUOTES, [part("s1", quotes(("A", 1, 1.0, 1)))], run="r2").inserted == 1


def test_a_load_waits_for_the_lock(warehouse_url: str) -> None:
    with open_warehouse(warehouse_url), Process(program.hold, warehouse_url) as holder:
        assert holder.heard("held") == "held"
        with Process(program.load, warehouse_url, "1") as waiting:
            assert waiting.heard("here") == "here"
            assert waiting.is_silent(0.3)
            holder.go_on()
            assert waiting.heard(*END) == ALL


@pytest.mark.parametrize("first", [True, False], ids=["the first load", "an upsert"])
def test_a_killed_load_leaves_the_warehouse_as_it_was(warehouse_url: str, *, first: bool) -> None:
    before, after = program.everything("1"), program.everything("2")
    if not first:
        with Process(program.load, warehouse_url, "1") as process:
            assert process.heard(*END) == ALL
    untouched = {} if first else {f"p{n}": "1" for n in range(program.PARTS)}

    for moment in ("part 0", "part 1", "part 4", "part 7", "no more parts", "no more parts"):
        with Process(program.load, warehouse_url, "2") as process:
            process.heard(moment)
            process.kill(after=random.uniform(0, 0.05))
            ended = process.heard(*END) == ALL
        with open_warehouse(warehouse_url) as warehouse:
            _let_the_server_notice(warehouse)
            found = warehouse.loaded(QUOTES)
            # It may have committed in its last moment, and then all of it is there.
            committed = set(found.values()) == {"2"} and len(found) == program.PARTS
            assert committed or (found == untouched and not ended)
            if found:
                assert_frame_equal(table(warehouse), after if committed else before)
    with Process(program.load, warehouse_url, "2") as process:
        process.heard(*END)
    with open_warehouse(warehouse_url) as warehouse:
        assert_frame_equal(table(warehouse), after)


def _let_the_server_notice(warehouse: Warehouse) -> None:
    """What a killed client has sent may still be at work there. Who gets the lock is alone."""
    with writing(warehouse._connection):
        pass
