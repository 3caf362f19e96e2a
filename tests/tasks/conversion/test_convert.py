"""What is stored of what comes: the value, or nothing. That the two are never different is in test_types_of_rows."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import dataframely as dy
import polars as pl
import pytest

from tasks.conversion import Reading, converted, refusal
from tasks.errors import ConfigurationError

BERLIN = {"zone": "Europe/Berlin"}
AMERICAN = {"format": "%m/%d/%Y"}
COMPACT = {"format": "%Y%m%d"}
SECONDS = {"epoch": "s"}
FIFTH = date(2024, 1, 5)
MIDNIGHT = datetime(2024, 1, 5, tzinfo=ZoneInfo("Europe/Berlin"))
NINE = datetime(2024, 3, 5, 9, tzinfo=UTC)
MOMENT = dy.Datetime(time_unit="us", time_zone="UTC")


def stored(value: Any, column: dy.Column) -> Any:
    came = pl.Series([None, value], dtype=pl.Object if isinstance(value, ZoneInfo) else None)
    return converted(came, column.dtype, Reading.of("c", column))[1]


def moment(**read: str) -> dy.Column:
    return dy.Datetime(time_unit="us", time_zone="UTC", metadata=read)


@pytest.mark.parametrize(
    ("value", "column", "expected"),
    [
        ("2024-01-05", dy.Date(), FIFTH),
        (" 2024-01-05T00:00:00 ", dy.Date(), FIFTH),
        ("1/5/2024", dy.Date(metadata=AMERICAN), FIFTH),
        ("20240105", dy.Date(metadata=COMPACT), FIFTH),
        (20240105, dy.Date(metadata=COMPACT), FIFTH),
        (20240105.0, dy.Date(metadata=COMPACT), FIFTH),
        (19727, dy.Date(metadata={"epoch": "d"}), FIFTH),
        (MIDNIGHT, dy.Date(metadata=BERLIN), FIFTH),
        ("2024-01-05T00:00:00+01:00", dy.Date(metadata=BERLIN), FIFTH),
        (1704409200, dy.Date(metadata=SECONDS | BERLIN), FIFTH),
        (1709629200, moment(epoch="s"), NINE),
        ("1709629200000", moment(epoch="ms"), NINE),
        ("2024-03-05T09:00:00Z", MOMENT, NINE),
        ("2024-03-05 10:00:00.25+01:00", MOMENT, NINE + timedelta(milliseconds=250)),
        ("2024-03-05 10:00", moment(**BERLIN), NINE),
        (datetime(2024, 3, 5, 10), moment(**BERLIN), NINE),  # noqa: DTZ001
        ("5.3.2024 10:00 +0100", moment(format="%d.%m.%Y %H:%M %z"), NINE),
        (date(2024, 1, 5), moment(**BERLIN), MIDNIGHT),
        ("2.990", dy.Decimal(10, 2), Decimal("2.99")),
        (1.1, dy.Decimal(38, 20), Decimal("1.1")),
        (Decimal("0.10000000000000000000"), dy.Float64(), 0.1),
        ("0.10000000000000001", dy.Float64(), 0.1),  # as C prints 0.1
        (" 1e5 ", dy.Float64(), 1e5),
        (3.0, dy.Int64(), 3),
        ("007", dy.Int64(), 7),
        ("TRUE", dy.Bool(), True),
        (0, dy.Bool(), False),
        (7, dy.String(), "7"),
        (b"x", dy.String(), "x"),
        (MIDNIGHT, dy.String(), "2024-01-04 23:00:00.000000+00:00"),
        ([1, 2], dy.List(dy.Int64()), [1, 2]),
    ],
)  # fmt: skip
def test_what_says_the_same_is_stored(value, column, expected):
    found = stored(value, column)
    assert (found.to_list() if isinstance(found, pl.Series) else found) == expected


@pytest.mark.parametrize(
    ("value", "column"),
    [
        ("20240105", dy.Date()),
        ("2024-W01-5", dy.Date()),
        ("2024-01-05T09:30:00", dy.Date(metadata=BERLIN)),
        ("2024-01-05", dy.Date(metadata=AMERICAN)),
        ("01/05/24", dy.Date(metadata=AMERICAN)),
        ("13/05/2024", dy.Date(metadata=AMERICAN)),
        ("11124", dy.Date(metadata={"format": "%m%d%y"})),
        ("2024-01-05", MOMENT),
        ("2024-03-05T09:00:00.1234567Z", MOMENT),
        ("2024-03-05T09:00:60Z", MOMENT),
        ("2024-03-31 02:30", moment(**BERLIN)),  # no clock showed it
        ("2024-10-27 02:30", moment(**BERLIN)),  # it showed this twice
        (1709629200.5, moment(epoch="s")),
        (2**62, moment(epoch="s")),
        (20240105, dy.Date(metadata={"epoch": "d"})),
        ("2.999", dy.Decimal(10, 2)),
        (2.999, dy.Decimal(10, 2)),
        ("9007199254740993", dy.Float64()),
        ("NaN", dy.Float64()),
        ("1,5", dy.Float64()),
        (0.1, dy.Float32()),
        (2.7, dy.Int64()),
        (float("nan"), dy.Int64()),
        (300, dy.Int8()),
        (True, dy.Int64()),
        (2, dy.Bool()),
        ("yes", dy.Bool()),
        (1, dy.Enum(["a", "b"])),
        (b"\xff", dy.String()),
        (b"12", dy.Int64()),
        ([1], dy.String()),
        ([2.7], dy.List(dy.Int64())),
        ({"a": "x"}, dy.Struct({"a": dy.Int64()})),
        (timedelta(1), dy.Int64()),
        (ZoneInfo("UTC"), dy.String()),
    ],
)  # fmt: skip
def test_what_the_type_does_not_hold_is_nothing(value, column):
    assert stored(value, column) is None


@pytest.mark.parametrize(
    ("values", "column", "reasons"),
    [
        (["01/02/2024", "2024-01-05T00:00:00Z"], dy.Date(), ['"format" or "epoch" in the metadata', '"zone" in the']),
        ([20240105, 1709629200], dy.Date(), ['"format" or "epoch"', '"format" or "epoch"']),
        ([2024.0], dy.Date(), ['"format" or "epoch"']),
        ([MIDNIGHT], dy.Date(), ['"zone" in the metadata']),
        (["2024-03-05 09:00"], MOMENT, ['"zone" in the metadata']),
        (["31/01/2024"], dy.Date(metadata=AMERICAN), ["no date that is written %m/%d/%Y, as the metadata"]),
        (["x"], moment(epoch="s"), ["that is counted in s since 1970, as the metadata"]),
        ([2.7], dy.Int64(), ["is no Int64: it came as Float64"]),
        (["maybe"], dy.Bool(), ["is no Boolean: it came as String"]),
    ],
)
def test_a_reason_names_the_setting_that_would_decide(values, column, reasons):
    told = refusal(pl.Series(values), column.dtype, Reading.of("c", column))
    assert all(reason in text for reason, text in zip(reasons, told, strict=True))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (dy.Date(metadata={"format": "mm/dd/yyyy"}), "a format that tells the day"),
        (dy.Date(metadata={"format": "%d/%m"}), "a format that tells the day"),
        (dy.Date(metadata=AMERICAN | SECONDS), "either an epoch or a format"),
        (dy.Date(metadata={"epoch": "hours"}), "one of d, s, ms, us, ns"),
        (dy.Date(metadata={"zone": "Mars"}), "'Mars' is not a time zone"),
        (dy.Float64(metadata=SECONDS), "for dates and times, and it is Float64"),
    ],
)
def test_metadata_that_cannot_be_read_by_is_refused(column, message):
    with pytest.raises(ConfigurationError, match=rf"of the column day cannot be read by: .*{message}"):
        Reading.of("day", column)
