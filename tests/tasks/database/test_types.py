"""Columns of an answer in the type that was asked for, or refused."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from tasks.database.types import read_types, typed
from tasks.errors import ConfigurationError, ContractError

BERLIN = ZoneInfo("Europe/Berlin")
MORNING = datetime(2024, 1, 31, 9, 30, tzinfo=UTC)
LOCAL = MORNING.replace(tzinfo=None)


def converted(values: list[Any], name: str, dtype: Any = None) -> list[Any]:
    return typed(pl.DataFrame({"c": pl.Series(values, dtype=dtype)}), read_types({"c": name}))["c"].to_list()


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("string", pl.String()),
        ("int64", pl.Int64()),
        ("datetime", pl.Datetime("us")),
        ("datetime[UTC]", pl.Datetime("us", "UTC")),
        ("datetime[Europe/Berlin]", pl.Datetime("us", "Europe/Berlin")),
        ("decimal(18, 4)", pl.Decimal(18, 4)),
        (" decimal(38,0) ", pl.Decimal(38, 0)),
    ],
)
def test_names_of_types(name: str, dtype: pl.DataType) -> None:
    assert read_types({"c": name}) == {"c": dtype}


@pytest.mark.parametrize(
    "name",
    ["", "money", "decimal", "decimal(39,2)", "decimal(4,5)", "decimal(0,0)", "datetime[Mars]", "datetime[../x]"],
)
def test_what_is_no_type_is_named_with_its_column(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"of the column amount, is not a (type|time zone)"):
        read_types({"amount": name})


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        (["2024-01-31", None], "date", [date(2024, 1, 31), None]),
        (["09:30:00", "23:59:59.250000"], "time", [time(9, 30), time(23, 59, 59, 250_000)]),
        (["2024-01-31T09:30:00.000000Z"], "datetime[UTC]", [MORNING]),
        (["2024-01-31 09:30"], "datetime[UTC]", [MORNING]),
        (["2024-01-31 10:30:00+01:00", "2024-01-31 09:30:00+00"], "datetime[UTC]", [MORNING, MORNING]),
        (["2024-01-31T06:00:00-0330"], "datetime[UTC]", [MORNING]),
        (["2024-01-31T09:30:00Z"], "datetime[Europe/Berlin]", [MORNING.astimezone(BERLIN)]),
        (["2024-01-31 09:30:00.5"], "datetime", [LOCAL.replace(microsecond=500_000)]),
        (["1.5000", "-0.25", None, "12345678901234.0001"], "decimal(18,4)",
         [Decimal("1.5000"), Decimal("-0.2500"), None, Decimal("12345678901234.0001")]),
        (["true", "f", "0", "T"], "boolean", [True, False, False, True]),
        (["12", "-3"], "int64", [12, -3]),
    ],
)  # fmt: skip
def test_text_becomes_what_it_says(values: list[str], name: str, expected: list[Any]) -> None:
    assert converted(values, name) == expected


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ([0, 1, None], "boolean", [False, True, None]),
        ([1.1, 2.25], "decimal(10,2)", [Decimal("1.10"), Decimal("2.25")]),
        ([3.0], "int64", [3]),
        ([7], "string", ["7"]),
        ([7], "float64", [7.0]),
        ([LOCAL.replace(hour=0, minute=0)], "date", [date(2024, 1, 31)]),
        ([LOCAL], "datetime[UTC]", [MORNING]),
        ([MORNING], "datetime[Europe/Berlin]", [MORNING]),
        ([Decimal("1.50")], "float64", [1.5]),
        ([b"x"], "string", ["x"]),
        ([None, None], "decimal(10,2)", [None, None]),
    ],
)
def test_values_become_the_same_in_another_type(values: list[Any], name: str, expected: list[Any]) -> None:
    assert converted(values, name) == expected


@pytest.mark.parametrize(
    ("values", "name", "first"),
    [
        (["1.5", "1.23456"], "decimal(10,2)", "'1.23456'"),
        (["999999999.0"], "decimal(5,2)", "'999999999.0'"),
        (["31/01/2024"], "date", "'31/01/2024'"),
        (["2024-01-31"], "datetime[UTC]", "'2024-01-31'"),
        (["2024-01-31T09:30:00+01:00"], "datetime", r"'2024-01-31T09:30:00\+01:00'"),
        (["2024-02-30 00:00"], "datetime", "'2024-02-30 00:00'"),
        (["yes"], "boolean", "'yes'"),
        (["1.5"], "int64", "'1.5'"),
        ([2], "boolean", "2"),
        ([1.005], "decimal(10,2)", "1.005"),
        ([1.5], "int64", "1.5"),
        ([2**53 + 1], "float64", "9007199254740993"),
        ([LOCAL], "date", "datetime"),
        ([MORNING], "datetime", "datetime"),
        ([b"\xff"], "string", "b'"),
        ([1], "date", "1"),
        ([date(2024, 1, 31)], "int64", "date"),
    ],
)
def test_what_the_type_cannot_hold_is_refused(values: list[Any], name: str, first: str) -> None:
    with pytest.raises(ContractError, match=rf"The column c .* of its values are no .*{first}"):
        converted(values, name)


def test_a_type_for_a_column_that_is_not_there() -> None:
    with pytest.raises(ContractError, match=r"has no column day, for which a type was given\. It has c"):
        typed(pl.DataFrame({"c": [1]}), read_types({"day": "date"}))
