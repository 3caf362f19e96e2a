"""Conformance: what the modes do to a table, whichever warehouse it is in."""

import itertools
from collections.abc import Iterator
from datetime import date

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tasks.errors import ConfigurationError, ContractError
from tasks.load.load_result import LoadResult
from tasks.load.request import Part
from tasks.load.warehouse import Warehouse, open_warehouse
from tasks.window import Window
from tests.tasks.warehouses.examples import EVENTS, QUOTES, Quotes, dataset, keys, part, query, quotes, table

JANUARY = Window(first=date(2024, 1, 1), last=date(2024, 1, 31))


def test_a_first_load_brings_every_row(warehouse: Warehouse) -> None:
    rows = quotes(("B", 2, 2.5, None), ("A", 1, 1.5, 10), ("A", 2, 1.6, 11))

    result = warehouse.load(QUOTES, [part("s1", rows)], run="r1")

    assert result == LoadResult(inserted=3, parts_loaded=1)
    assert_frame_equal(table(warehouse), rows.sort(QUOTES.key))


def test_an_upsert_touches_only_what_differs(warehouse: Warehouse) -> None:
    warehouse.load(QUOTES, [part("s1", quotes(("A", 1, 1.0, 10), ("B", 1, 2.0, None), ("C", 1, 3.0, 30)))], run="r1")

    changed = quotes(("A", 1, 1.0, 10), ("B", 1, 2.0, 20), ("C", 1, 3.5, 30), ("D", 1, 4.0, None))
    result = warehouse.load(QUOTES, [part("s2", changed)], run="r2")

    assert result == LoadResult(inserted=1, updated=2, unchanged=1, parts_loaded=1)
    assert result.rows_read == 4
    assert_frame_equal(table(warehouse), changed)


def test_deleted_rows_go_and_a_row_that_is_gone_already_is_no_error(warehouse: Warehouse) -> None:
    warehouse.load(QUOTES, [part("s1", quotes(("A", 1, 1.0, 1), ("B", 1, 2.0, 2)))], run="r1")

    result = warehouse.load(QUOTES, [part("s2", quotes(), [("A", 1), ("Z", 9)])], run="r2")

    assert result == LoadResult(deleted=1, parts_loaded=1)
    assert_frame_equal(table(warehouse), quotes(("B", 1, 2.0, 2)))


def test_appending_adds_rows_and_refuses_a_key_that_is_there(warehouse: Warehouse) -> None:
    warehouse.load(QUOTES, [part("s1", quotes(("A", 1, 1.0, 1)))], "append", run="r1")
    warehouse.load(QUOTES, [part("s2", quotes(("A", 2, 2.0, 2)))], "append", run="r2")

    with pytest.raises(ContractError, match=r"partition p of quotes: .*key that is there already"):
        warehouse.load(QUOTES, [part("s3", quotes(("A", 3, 3.0, 3), ("A", 2, 9.0, 9)))], "append", run="r3")

    assert_frame_equal(table(warehouse), quotes(("A", 1, 1.0, 1), ("A", 2, 2.0, 2)))


def test_a_dataset_without_a_key_is_appended_and_nothing_else(warehouse: Warehouse) -> None:
    rows = pl.DataFrame({"day": [date(2024, 1, 1)] * 2, "what": ["split", "split"]})
    same = Part("p", "s1", rows, keys())

    assert warehouse.load(EVENTS, [same], "append", run="r1").inserted == 2
    assert warehouse.load(EVENTS, [Part("p", "s2", rows, keys())], "append", run="r2").inserted == 2
    assert table(warehouse, EVENTS).height == 4
    with pytest.raises(ConfigurationError, match="no key to upsert by"):
        warehouse.load(EVENTS, [same], run="r3")
    with pytest.raises(ConfigurationError, match="no key to find them by"):
        warehouse.load(EVENTS, [Part("p", "s4", rows, keys(("A", 1)))], "append", run="r4")


def test_replacing_empties_the_window_and_nothing_outside_it(warehouse: Warehouse) -> None:
    before = quotes(("A", 1, 1.0, 1), ("A", 8, 8.0, 8), ("A", 9, 9.0, 9), ("A", 20, 20.0, 20))
    warehouse.load(QUOTES, [part("s1", before)], run="r1")
    window = Window(first=date(2024, 1, 8), last=date(2024, 1, 10))

    result = warehouse.load(QUOTES, [part("s2", quotes(("A", 10, 10.0, 10)))], "replace", run="r2", window=window)

    assert result == LoadResult(inserted=1, deleted=2, parts_loaded=1)
    assert_frame_equal(table(warehouse), quotes(("A", 1, 1.0, 1), ("A", 10, 10.0, 10), ("A", 20, 20.0, 20)))


def test_replacing_brings_back_the_parts_whose_rows_went_with_the_window(warehouse: Warehouse) -> None:
    a, b, c = (part("s1", quotes((code, 1, 1.0, 1)), partition=code) for code in "ABC")
    warehouse.load(QUOTES, [a, b, c], "replace", run="r1", window=JANUARY)
    b2 = part("s2", quotes(("B", 1, 2.0, 2)), partition="B")

    result = warehouse.load(QUOTES, [a, b2, c], "replace", run="r2", window=JANUARY)
    again = warehouse.load(QUOTES, [a, b2, c], "replace", run="r3", window=JANUARY)

    assert result == LoadResult(inserted=3, deleted=3, parts_loaded=3)
    assert again == LoadResult(parts_skipped=3)
    assert_frame_equal(table(warehouse), quotes(("A", 1, 1.0, 1), ("B", 1, 2.0, 2), ("C", 1, 1.0, 1)))


def test_replacing_refuses_rows_outside_its_window(warehouse: Warehouse) -> None:
    window = Window(first=date(2024, 1, 8), last=date(2024, 1, 10))
    rows = part("s1", quotes(("A", 7, 1.0, 1), ("A", 8, 1.0, 1)))

    with pytest.raises(ContractError, match="1 rows whose day is not in the window 2024-01-08_2024-01-10"):
        warehouse.load(QUOTES, [rows], "replace", run="r1", window=window)
    with pytest.raises(ConfigurationError, match="needs a window"):
        warehouse.load(QUOTES, [rows], "replace", run="r1")


def test_parts_are_taken_one_at_a_time(warehouse: Warehouse) -> None:
    seen = []

    def parts() -> Iterator[Part]:
        for day in (1, 2, 3):
            yield part(f"s{day}", quotes(("A", day, 1.0, 1)).lazy(), partition=str(day))
            seen.append(query(warehouse, "SELECT count(*) FROM quotes").item())

    warehouse.load(QUOTES, parts(), run="r1")

    assert seen == [1, 2, 3]


def test_a_failure_in_any_part_leaves_everything_as_it_was(warehouse: Warehouse) -> None:
    before = quotes(("A", 1, 1.0, 1), ("B", 1, 2.0, 2))
    warehouse.load(QUOTES, [part("s1", before)], run="r1")

    def parts() -> Iterator[Part]:
        yield part("s2", quotes(("A", 1, 9.0, 9)), [("B", 1)])
        yield part("s2", quotes(("C", 1, 9.0, 9)), partition="q")
        raise OSError("the lake is gone")

    with pytest.raises(OSError, match="the lake is gone"):
        warehouse.load(QUOTES, parts(), run="r2")

    assert_frame_equal(table(warehouse), before)
    assert warehouse.loaded(QUOTES) == {"p": "s1"}
    assert warehouse.load(QUOTES, [part("s2", before)], run="r3").unchanged == 2


def test_a_failure_of_the_first_load_leaves_no_table(warehouse: Warehouse) -> None:
    with pytest.raises(ContractError):
        warehouse.load(QUOTES, [part("s1", quotes(("A", 1, 1.0, 1))), part("s1", keys(), partition="q")], run="r1")

    assert warehouse.loaded(QUOTES) == {}
    with pytest.raises(ConfigurationError, match="quotes"):
        query(warehouse, "SELECT * FROM quotes")


def test_empty_parts_are_loaded_too(warehouse: Warehouse) -> None:
    assert warehouse.load(QUOTES, [part("s1", quotes())], run="r1") == LoadResult(parts_loaded=1)
    assert warehouse.load(QUOTES, [], run="r2") == LoadResult()
    assert warehouse.loaded(QUOTES) == {"p": "s1"}
    assert_frame_equal(table(warehouse), quotes())


def test_two_parts_of_a_first_load_must_not_have_the_same_key(warehouse: Warehouse) -> None:
    parts = [part("s1", quotes(("A", 1, 1.0, 1)), partition=p) for p in "pq"]

    with pytest.raises(ContractError, match=r"Loading (partition q|the parts) of quotes: .*there already"):
        warehouse.load(QUOTES, parts, run="r1")

    assert warehouse.loaded(QUOTES) == {}


def test_arguments_that_make_no_sense_are_refused_by_name(warehouse: Warehouse) -> None:
    homeless = QUOTES.__class__("quotes", "published", QUOTES.schema, sort=("day",))

    with pytest.raises(ConfigurationError, match="no SQL table"):
        warehouse.load(homeless, [], run="r1")
    with pytest.raises(ConfigurationError, match="no load mode 'merge'"):
        warehouse.load(QUOTES, [], "merge", run="r1")  # type: ignore[arg-type]


Key = tuple[str, int]
Values = tuple[float, int | None]
_NUMBERS = itertools.count()
_ROWS = st.dictionaries(
    st.tuples(st.sampled_from("ABC"), st.integers(1, 4)),
    st.tuples(st.sampled_from([1.0, 2.0]), st.sampled_from([None, 1])),
    max_size=8,
)
_KEYS = st.sets(st.tuples(st.sampled_from("ABC"), st.integers(1, 4)), max_size=4)


@given(loads=st.lists(st.tuples(_ROWS, _KEYS), max_size=5))
@settings(max_examples=40, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_any_loads_a_table_is_what_a_dictionary_would_be(
    warehouse_url: str, loads: list[tuple[dict[Key, Values], set[Key]]]
) -> None:
    model: dict[Key, Values] = {}
    with open_warehouse(warehouse_url) as warehouse:
        fresh = dataset(Quotes, f"quotes_{next(_NUMBERS)}")
        for number, (rows, gone) in enumerate(loads):
            frame = quotes(*((code, day, *values) for (code, day), values in rows.items()))
            expected = LoadResult(
                inserted=sum(k not in model or k in gone for k in rows),
                updated=sum(k in model and k not in gone and model[k] != v for k, v in rows.items()),
                unchanged=sum(k in model and k not in gone and model[k] == v for k, v in rows.items()),
                deleted=len(gone & model.keys()),
                parts_loaded=1,
            )
            model = {k: v for k, v in model.items() if k not in gone} | rows
            assert warehouse.load(fresh, [part(f"s{number}", frame, sorted(gone))], run="r") == expected
        wanted = quotes(*((code, day, *values) for (code, day), values in sorted(model.items())))
        assert_frame_equal(table(warehouse, fresh) if loads else wanted, wanted)
