"""What is special about ODBC: ways to send rows, values on their way, and what drivers get wrong."""

import struct
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyodbc
import pytest
from polars.testing import assert_frame_equal

from tasks.database.odbc import drivers as odbc_drivers
from tasks.database.odbc import values as odbc_values
from tasks.database.odbc.connection import failure
from tasks.errors import ContractError, TransientError
from tasks.load.request import Part
from tasks.load.warehouse import open_warehouse
from tests.servers.postgres import Postgres
from tests.tasks.load.test_values import ROWS, VALUES, values
from tests.tasks.warehouses.examples import QUOTES, part, query, quotes, table


@pytest.mark.parametrize("bulk", ["fast", "plain", "arrays"])
def test_all_types_round_trip_whichever_way_rows_are_sent(postgres: Postgres, bulk: str) -> None:
    database = postgres.database()
    url = postgres.url(database)
    with open_warehouse(f"{url.replace('postgresql:', 'odbc+postgresql:')}?bulk={bulk}") as warehouse:
        rows = values(ROWS)
        warehouse.load(VALUES, [Part("p", "s1", rows, rows.select("key").clear())], run="r1")
        again = warehouse.load(VALUES, [Part("p", "s2", rows, rows.select("key").clear())], run="r2")
        assert again.unchanged == rows.height
        with open_warehouse(url) as by_adbc:
            assert_frame_equal(table(by_adbc, VALUES), rows, check_exact=True)
    postgres.drop(database)


def test_buffers_stay_small_whatever_the_longest_value_is() -> None:
    rows = pl.DataFrame({"text": ["x"] * 12_000 + ["y" * 1_000_000, "z"]})

    pieces = list(odbc_values.slices(rows))

    assert [value for _, part_rows in pieces for (value,) in part_rows] == rows["text"].to_list()
    assert max(len(part_rows) for _, part_rows in pieces) == 10_000
    assert min(len(part_rows) for _, part_rows in pieces) < 20
    assert pieces[0][0] == [(pyodbc.SQL_WVARCHAR, 1, 0)]
    assert (pyodbc.SQL_WVARCHAR, 0, 0) in [sizes[0] for sizes, _ in pieces]


def test_sizes_are_those_of_the_types() -> None:
    rows = pl.DataFrame(
        {
            "i": [1],
            "f": [1.5],
            "b": [True],
            "n": [Decimal("1.50")],
            "t": ["🏦"],
            "x": [b"12"],
            "d": [datetime(2024, 1, 1)],  # noqa: DTZ001
        },
        schema_overrides={"n": pl.Decimal(10, 2)},
    )

    ((sizes, _),) = odbc_values.slices(rows)

    assert sizes == [
        (pyodbc.SQL_BIGINT, 19, 0),
        (pyodbc.SQL_DOUBLE, 15, 0),
        (pyodbc.SQL_BIT, 1, 0),
        (pyodbc.SQL_DECIMAL, 10, 2),
        (pyodbc.SQL_WVARCHAR, 4, 0),
        (pyodbc.SQL_VARBINARY, 2, 0),
        (pyodbc.SQL_TYPE_TIMESTAMP, 26, 6),
    ]


def test_text_with_a_zero_byte_is_refused_for_drivers_cut_it(postgres: Postgres) -> None:
    url = postgres.url("postgres").replace("postgresql:", "odbc+postgresql:")
    with open_warehouse(url) as warehouse, pytest.raises(ContractError, match="zero byte"):
        query(warehouse, "SELECT CAST(:x AS TEXT)", {"x": "a\0b"})


def test_an_answer_has_the_types_of_its_columns_and_names_for_all(postgres: Postgres) -> None:
    url = postgres.url("postgres").replace("postgresql:", "odbc+postgresql:")
    with open_warehouse(url) as warehouse:
        found = query(warehouse, "SELECT 1.50::NUMERIC(10, 2) AS n, NULL::FLOAT8 AS f, 1.23456789012::NUMERIC AS any")
        none = query(warehouse, "SELECT CAST(1 AS BIGINT) AS i, CAST('x' AS TEXT) AS t WHERE 1 = 0")

    assert found.schema == {"n": pl.Decimal(10, 2), "f": pl.Float64(), "any": pl.String()}
    assert found.rows() == [(Decimal("1.50"), None, "1.23456789012")]
    assert none.schema == {"i": pl.Int64(), "t": pl.String()}
    assert odbc_values.frame([(1, 2)], [("", int), ("", int)]).columns == ["column_1", "column_2"]


def test_a_moment_of_sql_server_is_text_with_its_zone() -> None:
    # pyodbc calls a column with a converter text, so that is what it has to be, whatever its rows are.
    packed = struct.pack("<6hI2h", 2024, 3, 1, 5, 45, 59, 123_456_000, 5, 45)

    assert odbc_drivers._moment(packed) == "2024-03-01 05:45:59.123456+05:45"
    assert odbc_drivers._moment(b"2024-03-01 00:00:59 +00:00") == "2024-03-01 00:00:59.000000+00:00"


def test_a_drivers_error_is_taken_apart() -> None:
    text = (
        "[23000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Violation of PRIMARY KEY constraint 'PK'. "
        "The duplicate key value is (A). (2627) (SQLExecDirectW); [23000] [SQL Server]Terminated. (3621)"
    )

    found = failure(pyodbc.IntegrityError("23000", text))

    assert (found.state, found.number) == ("23000", 2627)
    assert found.text == "Violation of PRIMARY KEY constraint 'PK'. The duplicate key value is (A)."


def test_a_server_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(TransientError, match=r"could not be reached.*refused"):
        open_warehouse("odbc+postgresql://etl:secret@127.0.0.1:1/prices")


def test_sqlite_through_odbc_is_the_same_file(tmp_path: Path) -> None:
    rows = quotes(("A", 1, 0.1 + 0.2, 1), ("B", 1, 2.0, None))
    with open_warehouse(f"odbc+sqlite:///{tmp_path}/w.sqlite") as warehouse:
        warehouse.load(QUOTES, [part("s1", rows)], run="r1")
    with open_warehouse(f"sqlite:///{tmp_path}/w.sqlite") as warehouse:
        assert warehouse.loaded(QUOTES) == {"p": "s1"}
        assert_frame_equal(table(warehouse), rows, check_exact=True)
