"""What comes, what a contract can want of it, and what a value says: found by Python's own means, not by polars."""

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import dataframely as dy
import numpy as np
import polars as pl
from hypothesis import strategies as st

BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = datetime(2024, 1, 5, tzinfo=BERLIN)

texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            " 2024-01-05 ",
            "",
            " ",
            "2024-01-05 09:30",
            *[
                "01/02/2024",
                "1/2/2024",
                "01/02/24",
                "20240105",
                "2024-01-05",
                "2024-1-5",
                "2024-02-30",
                "1709629200",
                "2024.0",
                "2.7",
                "2.999",
                "2.990",
                "300",
                "-1",
                "007",
                "1e5",
                "1e-400",
                "1e999",
                "NaN",
                "inf",
                "9007199254740993",
                "0.10000000000000001",
                "0.3333333333333333333333",
                "1,234.5",
                "1_0",
                ".",
                "٣",
                "true",
                "T",
                "1",
                "0",
                "yes",
                "a",
                "09:30:00",
                "24:00:00",
                "23:59:60",
                "09:30:00.1234567891",
                "2024-01-05T00:00:00+01:00",
                "2024-01-05T09:30:60Z",
                "2024-01-05T09:30:00.1234567Z",
                "2024-03-31T02:30:00",
                "2024-10-27T02:30:00",
                "0000-01-01",
                "9999-12-31",
                "2024-01-05T00:00:00+99:99",
            ],
        ]
    ),
    st.dates().map(str),
    st.times().map(str),
    st.datetimes(timezones=st.sampled_from([None, UTC, BERLIN])).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.floats().map(str),
)
numbers = st.sampled_from(
    [20240105, 1709629200, 1704409200, 1704412800, 300, 2, 1, 0, -1, 2**53 + 1, 2**63 - 1, -(2**63)]
)
floats = st.one_of(st.floats(), st.sampled_from([2024.0, 20240105.0, 1709629200.0, 2.7, 2.999, 1.1, 0.1, -0.0]))
clocks = st.one_of(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - of no zone
    st.dates(date(2024, 1, 1), date(2024, 12, 31)).map(lambda day: datetime.combine(day, time())),
    st.sampled_from([datetime(2024, 3, 31, 2, 30), datetime(2024, 10, 27, 2, 30)]),  # noqa: DTZ001 - never, and twice
)
near = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - it gets one

COMES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (pl.String(), texts),
    (pl.Int64(), st.one_of(numbers, st.integers(-(2**63), 2**63 - 1))),
    (pl.Int8(), st.integers(-128, 127)),
    (pl.UInt64(), st.one_of(numbers.filter(lambda n: n >= 0), st.integers(0, 2**64 - 1))),
    (pl.Float64(), floats),
    (pl.Float32(), st.floats(width=32)),
    (pl.Decimal(20, 3), st.decimals(-(10**16), 10**16, places=3)),
    (pl.Decimal(38, 20), st.decimals(-100, 100, places=20)),
    (pl.Boolean(), st.booleans()),
    (pl.Date(), st.dates()),
    (pl.Datetime("us"), clocks),
    (pl.Datetime("ms", "UTC"), near.map(lambda d: d.replace(microsecond=0))),
    (pl.Datetime("us", "Europe/Berlin"), st.one_of(st.just(MIDNIGHT), near)),
    (pl.Datetime("ns", "UTC"), near),
    (pl.Time(), st.times()),
    (pl.Duration("us"), st.timedeltas(timedelta(-999), timedelta(999))),
    (pl.Binary(), st.one_of(st.binary(max_size=4), st.just(b"2024-01-05"), st.just(b"12"))),
    (pl.Categorical(), texts),
    (pl.Enum(["7", "b", "2024-01-05"]), st.sampled_from(["7", "b", "2024-01-05"])),
    (pl.List(pl.Int64()), st.lists(numbers, max_size=2)),
    (pl.List(pl.String()), st.lists(texts, max_size=2)),
    (pl.Struct({"a": pl.Int64()}), st.fixed_dictionaries({"a": numbers})),
    (pl.Array(pl.Float64(), 2), st.lists(floats, min_size=2, max_size=2)),
    (pl.Object(), st.one_of(texts, numbers, st.dates(), st.uuids(), st.booleans())),
]
READ: list[dict[str, Any]] = [
    {},
    {"zone": "Europe/Berlin"},
    {"epoch": "s"},
    {"epoch": "d"},
    {"epoch": "ns", "zone": "UTC"},
    {"format": "%Y%m%d"},
    {"format": "%d/%m/%Y", "zone": "Europe/Berlin"},
]
DAYS: list[Callable[[], dy.Column]] = [
    *(partial(dy.Date, nullable=True, metadata=m) for m in READ),
    *(partial(dy.Datetime, nullable=True, time_zone="UTC", metadata=m) for m in READ),
    *(partial(dy.Datetime, nullable=True, time_unit="ms", metadata=m) for m in READ),
]
WANTED: list[dy.Column] = [
    *(make() for make in DAYS),
    dy.Datetime(nullable=True, time_unit="ns", time_zone="Europe/Berlin"),
    dy.String(nullable=True),
    dy.Bool(nullable=True),
    dy.Int8(nullable=True),
    dy.Int64(nullable=True),
    dy.UInt64(nullable=True),
    dy.Float32(nullable=True, allow_nan=True, allow_inf=True),
    dy.Float64(nullable=True, allow_nan=True, allow_inf=True),
    dy.Decimal(10, 2, nullable=True),
    dy.Decimal(38, 20, nullable=True),
    dy.Time(nullable=True),
    dy.Duration(nullable=True),
    dy.Binary(nullable=True),
    dy.Enum(["a", "7"], nullable=True),
    dy.Categorical(nullable=True),
    dy.List(dy.Int64(nullable=True), nullable=True),
    dy.Struct({"a": dy.Int64(nullable=True)}, nullable=True),
    dy.Array(dy.Float64(nullable=True), 2, nullable=True),
]


def said(value: Any, dtype: pl.DataType, read: Mapping[str, Any]) -> set[Any]:
    """All that a value can be taken to say, by its own form and by what the contract says of it."""
    if isinstance(value, bytes):
        return {("bytes", value)} | said(value.decode(errors="surrogateescape"), pl.String(), {})
    if isinstance(value, list | dict):
        return {("nested", repr(value), repr(dtype))}
    return {("text", value)} | _of_kind(value, dtype, read)


def _of_kind(value: Any, dtype: pl.DataType, read: Mapping[str, Any]) -> set[Any]:
    if isinstance(value, bool):
        return {("number", Fraction(value)), ("truth", value), ("text", str(value).lower())}
    if isinstance(value, int | float | Decimal):
        return _number(value, dtype) | _counted(value, read)
    if isinstance(value, datetime):
        return _times(value, read.get("zone"))
    if isinstance(value, date):
        return _times(datetime.combine(value, time()), read.get("zone"))
    return _written(value, read) if isinstance(value, str) else {(type(value).__name__, value)}


def _number(value: float | Decimal, dtype: pl.DataType) -> set[Any]:
    if not math.isfinite(value):
        return {("number", str(value).lower())}
    exact = {Fraction(Decimal(repr(value)) if isinstance(value, float) else value)}
    if dtype == pl.Float32:
        exact |= {Fraction(Decimal(str(np.float32(value))))}
    truth = {("truth", bool(value))} if value in (0, 1) else set()
    return {("number", n) for n in exact} | truth


def _counted(value: Any, read: Mapping[str, Any]) -> set[Any]:
    """The moment so many units after 1970; what is written in digits alone is of a format."""
    if value != int(value):
        return set()
    if "format" in read:
        return _written(str(int(value)), read)
    seconds = {"s": Fraction(1), "d": Fraction(86400), "ns": Fraction(1, 10**9)}.get(read.get("epoch", ""))
    micros = Fraction(Decimal(repr(value)) if isinstance(value, float) else value) * (seconds or 0) * 10**6
    if not seconds or micros.denominator != 1:
        return set()
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))
    except OverflowError:
        return set()
    return _times(moment.replace(tzinfo=None) if read["epoch"] == "d" else moment, read.get("zone"))


def _times(value: datetime, zone: str | None) -> set[Any]:
    """A time of a clock, or a moment; both where a zone tells which one, but for those that were twice or never."""
    if value.tzinfo:
        here = {("clock", value.astimezone(ZoneInfo(zone)).replace(tzinfo=None))} if zone else set()
        return {("moment", value.astimezone(UTC)), *here}
    if zone and value.year not in (1, 9999):
        first, second = (value.replace(tzinfo=ZoneInfo(zone), fold=n).astimezone(UTC) for n in (0, 1))
        if first == second:
            return {("clock", value), ("moment", first)}
    return {("clock", value)}


def _written(text: str, read: Mapping[str, Any]) -> set[Any]:
    found: set[Any] = set()
    text = text.strip()
    if text.lower() in {"true", "t", "false", "f"}:
        found |= {("truth", text.lower().startswith("t"))}
    try:
        found |= _number(Decimal(text), pl.Decimal()) if text.isascii() else set()
        found |= _counted(Decimal(text), read) if "epoch" in read and text.isascii() else set()
    except (InvalidOperation, ValueError, OverflowError):
        pass
    try:
        form = read.get("format")
        if form:
            strict = re.fullmatch(r"\d{1,2}/\d{1,2}/\d{4}|\d{8}", text)
            found |= _times(datetime.strptime(text, form), read.get("zone")) if strict else set()  # noqa: DTZ007
        elif not re.search(r"\.\d{6}\d*[1-9]", text):
            found |= _times(datetime.fromisoformat(text), read.get("zone"))
    except (ValueError, OverflowError):
        pass
    with suppress(ValueError):
        found |= {("time", time.fromisoformat(text))} if not re.search(r"\.\d{6}\d*[1-9]", text) else set()
    return found
