"""Conformance: tables are made from the contract, and a table that is there is compared with it."""

from collections.abc import Callable

import dataframely as dy
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.errors import ContractError
from tasks.load import contract
from tasks.load.request import Part
from tasks.load.warehouse import Warehouse
from tests.tasks.warehouses.examples import QUOTES, Quotes, QuotesWithNote, dataset, keys, part, query, quotes, table

ROWS = quotes(("A", 1, 1.0, 1))
WITH_NOTE = dataset(QuotesWithNote)


class Awkward(dy.Schema):
    code = dy.String(primary_key=True, alias='the "code" [x]')
    percent = dy.Float64(alias="50 % o'clock")
    order = dy.Int64(nullable=True)
    colon = dy.String(nullable=True, alias=":name; DROP TABLE quotes")
    umlaut = dy.Date(nullable=True, alias="größe_日本")


AWKWARD = dataset(Awkward, 'select "table" [of] `it\' % :x')


def test_a_table_has_the_key_and_the_nulls_of_its_contract(warehouse: Warehouse) -> None:
    warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")

    found = contract.described(warehouse._connection, "quotes")

    assert list(found) == ["code", "day", "close", "volume"]
    assert [f.key for f in found.values()] == [1, 2, 0, 0]
    assert [f.required for f in found.values()] == [True, True, True, False]


def test_a_new_nullable_column_is_added(warehouse: Warehouse) -> None:
    warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")

    more = quotes(("A", 2, 2.0, 2)).with_columns(note=pl.lit("split"))
    warehouse.load(WITH_NOTE, [part("s2", more)], run="r2")

    wanted = pl.concat([ROWS.with_columns(note=pl.lit(None, pl.String)), more])
    assert_frame_equal(table(warehouse, WITH_NOTE), wanted)


def test_a_column_that_the_contract_does_not_know_stays_and_may_be_null(warehouse: Warehouse) -> None:
    warehouse.load(WITH_NOTE, [part("s1", ROWS.with_columns(note=pl.lit("old")))], run="r1")

    warehouse.load(QUOTES, [part("s2", quotes(("A", 1, 9.0, 9), ("B", 1, 2.0, 2)))], run="r2")

    assert table(warehouse, WITH_NOTE)["note"].to_list() == ["old", None]


def _ddl(
    code: str = "code VARCHAR(40) NOT NULL",
    day: str = "day DATE NOT NULL",
    close: str = "close DOUBLE PRECISION NOT NULL",
    volume: str = "volume BIGINT",
    more: str = "",
    key: str = "PRIMARY KEY (code, day)",
) -> str:
    return f"CREATE TABLE quotes ({', '.join(filter(None, [code, day, close, volume, more, key]))})"


@pytest.mark.parametrize(
    ("ddl", "difference"),
    [
        (_ddl(close=""), "column close is missing and may not be null"),
        (_ddl(close="close VARCHAR(9) NOT NULL"), r"column close is VARCHAR\(9\), the contract says"),
        (_ddl(day="day VARCHAR(10) NOT NULL"), r"column day is VARCHAR\(10\), the contract says DATE"),
        (_ddl(close="close DOUBLE PRECISION"), "column close is nullable, the contract says NOT NULL"),
        (_ddl(volume="volume BIGINT NOT NULL"), "column volume is NOT NULL, the contract says nullable"),
        (
            _ddl(key="PRIMARY KEY (day, code)"),
            r"the primary key is \['day', 'code'\], the contract says \['code', 'day'\]",
        ),
        (_ddl(key=""), r"the primary key is \[\], the contract says \['code', 'day'\]"),
        (
            _ddl(more="source VARCHAR(9) NOT NULL"),
            "column source is not in the contract, and takes neither NULL nor a default",
        ),
    ],
)
def test_any_other_difference_stops_the_load(
    warehouse: Warehouse, execute: Callable[[str], int], ddl: str, difference: str
) -> None:
    execute(ddl)

    with pytest.raises(ContractError, match=f"Table quotes in .* differs from its contract: {difference}.* drop it"):
        warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")

    assert query(warehouse, "SELECT count(*) FROM quotes").item() == 0
    assert not contract.described(warehouse._connection, "etl_loads")


def test_all_differences_are_told_at_once(warehouse: Warehouse, execute: Callable[[str], int]) -> None:
    execute(_ddl(code="code INTEGER NOT NULL", close="", key="PRIMARY KEY (day)"))

    with pytest.raises(ContractError, match=r"primary key.*; column code is INTEGER.*; column close is missing"):
        warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")


def test_a_table_made_by_hand_with_types_that_hold_the_same_is_taken(
    warehouse: Warehouse, execute: Callable[[str], int]
) -> None:
    execute(_ddl(more="source VARCHAR(9) DEFAULT 'us' NOT NULL"))

    warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")

    assert_frame_equal(table(warehouse), ROWS)


def test_the_ledger_is_compared_too(warehouse: Warehouse, execute: Callable[[str], int]) -> None:
    execute("CREATE TABLE etl_loads (dataset VARCHAR(60) NOT NULL PRIMARY KEY)")

    with pytest.raises(ContractError, match="Table etl_loads in"):
        warehouse.load(QUOTES, [part("s1", ROWS)], run="r1")


def test_names_may_hold_quotes_brackets_percents_and_colons(warehouse: Warehouse) -> None:
    key = 'the "code" [x]'
    rows = pl.DataFrame(
        [("a", 1.5, 1, "'; --", None), ("b", 2.5, None, None, None)], schema=AWKWARD.polars_schema, orient="row"
    )
    none = rows.select(key).clear()

    warehouse.load(AWKWARD, [Part('it\'s "p"', "s1", rows, none)], run="r'1")
    changed = rows.with_columns(pl.col("order").fill_null(7))
    result = warehouse.load(AWKWARD, [Part('it\'s "p"', "s2", changed, rows.select(key).head(1))], run="r2")

    assert (result.deleted, result.inserted, result.updated) == (1, 1, 1)
    assert warehouse.loaded(AWKWARD) == {'it\'s "p"': "s2"}
    assert warehouse.loaded(QUOTES) == {}


def test_a_table_of_keys_alone_can_be_upserted(warehouse: Warehouse) -> None:
    class Codes(dy.Schema):
        code = dy.String(primary_key=True, max_length=40)

    codes = dataset(Codes, "codes")
    for snapshot, names in (("s1", ["A", "B"]), ("s2", ["B", "C"])):
        frame = pl.DataFrame({"code": names})
        result = warehouse.load(codes, [Part("p", snapshot, frame, frame.clear())], run="r1")

    assert (result.inserted, result.unchanged) == (1, 1)
    assert table(warehouse, codes)["code"].to_list() == ["A", "B", "C"]


def test_a_dataset_may_keep_columns_in_the_lake_alone(warehouse: Warehouse) -> None:
    lean = QUOTES.__class__(
        "quotes", "published", QuotesWithNote, ("day",), period="day", table="quotes", only_in_lake=("note",)
    )

    warehouse.load(lean, [Part("p", "s1", ROWS, keys())], run="r1")

    assert list(contract.described(warehouse._connection, "quotes")) == list(Quotes.column_names())
