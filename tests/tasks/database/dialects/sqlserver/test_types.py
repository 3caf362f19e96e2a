"""Which types and values SQL Server takes, and which keys."""

from datetime import UTC, datetime

import dataframely as dy
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.database.dialects.sqlserver import types as column_types
from tasks.database.dialects.sqlserver.dialect import COLLATION, SqlServer
from tasks.errors import ConfigurationError, ContractError
from tasks.load import contract

SERVER = SqlServer("SQL Server database prices at server", 30.0)
KEY = f"NVARCHAR(40) COLLATE {COLLATION}"


def _schema(columns: dict[str, dy.Column]) -> type[dy.Schema]:
    return type("Long", (dy.Schema,), dict(columns))


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"code": dy.String(primary_key=True)}, "code without a limit"),
        ({"code": dy.String(primary_key=True, max_length=451)}, "code 902"),
        ({"a": dy.String(primary_key=True, max_length=447), "b": dy.Int64(primary_key=True)}, "a 894, b 8"),
    ],
)
def test_a_key_that_no_index_takes_is_refused(schema: dict[str, dy.Column], reason: str) -> None:
    with pytest.raises(ContractError, match=rf"900 bytes.*\({reason}\).*max_length"):
        contract.table_of("t", _schema(schema).columns(), SERVER)


def test_a_collation_that_is_not_binary_is_refused() -> None:
    assert SqlServer("p", 1.0, "Latin1_General_100_BIN2").collation == "Latin1_General_100_BIN2"
    for collation in ("Latin1_General_CI_AS", "x_BIN2; DROP TABLE quotes"):
        with pytest.raises(ConfigurationError, match="not a binary collation"):
            SqlServer("p", 1.0, collation)


@pytest.mark.parametrize(
    ("declared", "wanted", "same"),
    [
        ("INT", "INTEGER", True),
        ("NUMERIC(38, 4)", "DECIMAL(38, 4)", True),
        ("DECIMAL(38, 2)", "DECIMAL(38, 4)", False),
        ("NVARCHAR(MAX)", "NVARCHAR(40)", True),
        ("NVARCHAR(39)", "NVARCHAR(40)", False),
        ("NVARCHAR(40)", "NVARCHAR(max)", False),
        ("VARCHAR(40)", "NVARCHAR(40)", False),
        ("NVARCHAR(40) COLLATE SQL_Latin1_General_CP1_CI_AS", KEY, False),
        ("NVARCHAR(40) COLLATE latin1_general_bin2", KEY, True),
        ("NVARCHAR(40)", KEY, True),
        ("DATETIME2(3)", "DATETIME2(6)", False),
        ("VARBINARY(MAX)", "VARBINARY(max)", True),
    ],
)
def test_types_that_hold_the_same(declared: str, wanted: str, *, same: bool) -> None:
    assert column_types.same_type(declared, wanted) is same


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pl.Series("x", [float("nan"), 1.0]), r"\{'x': 1\}.*NaN or infinite"),
        (pl.Series("x", [float("inf"), None]), r"\{'x': 1\}.*NaN or infinite"),
        (pl.Series("x", [0.0, None, 2.0**-1022, -5e-324]), r"\{'x': 1\}.*so small"),
        (pl.Series("x", [0.0, None, 2.0**-126, 2.0**-127], pl.Float32), r"\{'x': 1\}.*so small"),
        (pl.Series("x", ["a\0b"]), "zero byte"),
        (pl.Series("x", [3_000_000], pl.Int32).cast(pl.Date), "years 1 to 9999"),
        (pl.Series("x", [1_001], pl.Datetime("ns")), "finer than a microsecond"),
    ],
)
def test_values_that_it_does_not_have_are_refused(column: pl.Series, reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        SERVER.stored(column.to_frame())


def test_the_largest_unsigned_integers_are_decimals() -> None:
    stored = SERVER.stored(pl.DataFrame({"x": pl.Series([2**64 - 1, None], dtype=pl.UInt64)}))

    assert stored.schema == {"x": pl.Decimal(20, 0)}
    assert SERVER.restored(stored, {"x": pl.UInt64()})["x"].to_list() == [2**64 - 1, None]


def test_moments_come_as_text_and_are_moments_again() -> None:
    moment = datetime(2024, 2, 29, 23, 0, 59, 123_456, tzinfo=UTC)
    found = pl.DataFrame({"at": ["2024-03-01 04:45:59.123456+05:45", None], "never": [None, None]})
    types = {"at": pl.Datetime("us", "UTC"), "never": pl.Datetime("ms", "Asia/Kathmandu")}

    restored = SERVER.restored(found.cast(pl.String), types)

    assert_frame_equal(restored, pl.DataFrame({"at": [moment, None], "never": [None, None]}, schema=types))
