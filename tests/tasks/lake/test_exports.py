"""Exports, against a folder and Azurite: whole or not at all, with the columns that the rows bring."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from tasks.choices import FileFormat
from tasks.errors import ConfigurationError, ContractError, FatalError, TransientError
from tasks.lake import Lake, LostRaceError, open_lake
from tasks.lake.exports import EXPORTS, Exported, publish_export, read_export
from tasks.lake.retention.housekeeping import housekeep
from tests.flows.market_prices.test_refusals import small_disk

MORNING = datetime(2024, 1, 31, 9, 30, 0, 123_456, tzinfo=UTC)
EVERYTHING = pl.DataFrame(
    {
        "text": ['Zoë; "quoted", 漢字\n', "", None],
        "number": [2**62, -1, None],
        "ratio": [0.1, float("inf"), None],
        "flag": [True, False, None],
        "day": [date(2024, 2, 29), date(1900, 1, 1), None],
        "moment": [MORNING, datetime(1900, 1, 1, tzinfo=UTC), None],
        "local": [MORNING.replace(tzinfo=None, microsecond=0), MORNING.replace(tzinfo=None, microsecond=1), None],
        "clock": [time(9, 30, 0, 5), time(0, 0), None],
        "amount": pl.Series([Decimal("12345678901234567890.1234"), Decimal("-0.0001"), None], dtype=pl.Decimal(38, 4)),
        "nothing": pl.Series([None, None, None], dtype=pl.String),
    }
)


def numbers(*values: int) -> pl.DataFrame:
    return pl.DataFrame({"n": values}, schema={"n": pl.Int64})


def content(lake: Lake, exported: Exported) -> bytes:
    (path,) = exported.snapshot.files
    stored = lake.store.read(path)
    assert stored is not None
    return stored.data


def files(lake: Lake) -> list[str]:
    return [e.path.rpartition("/")[2] for e in lake.store.entries("published/exports/")]


def test_types_and_values_come_back(lake: Lake) -> None:
    exported = publish_export(lake, "everything", "parquet", [EVERYTHING, EVERYTHING.reverse()], "run 1")
    assert_frame_equal(read_export(lake, "everything").collect(), pl.concat([EVERYTHING, EVERYTHING.reverse()]))
    assert exported.columns == {name: str(dtype) for name, dtype in EVERYTHING.schema.items()}
    snapshot = exported.snapshot
    assert (snapshot.rows, snapshot.run, exported.changed) == (6, "run 1", True)
    assert snapshot.bytes == len(content(lake, exported))
    assert lake.partitions(EXPORTS) == [snapshot]


def test_other_readers_know_the_types(lake: Lake) -> None:
    data = content(lake, publish_export(lake, "everything", "parquet", [EVERYTHING], "run"))
    assert {f.name: str(f.type) for f in pq.read_schema(io.BytesIO(data))} == {
        "text": "large_string",
        "number": "int64",
        "ratio": "double",
        "flag": "bool",
        "day": "date32[day]",
        "moment": "timestamp[us, tz=UTC]",
        "local": "timestamp[us]",
        "clock": "time64[ns]",
        "amount": "decimal128(38, 4)",
        "nothing": "large_string",
    }


def test_a_csv_file_says_the_same(lake: Lake) -> None:
    exported = publish_export(lake, "everything", "csv", [EVERYTHING[:2], EVERYTHING[2:]], "run")
    text = content(lake, exported).decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == EVERYTHING.columns
    assert rows == [
        ['Zoë; "quoted", 漢字\n', "4611686018427387904", "0.1", "true", "2024-02-29",
         "2024-01-31T09:30:00.123456+00:00", "2024-01-31T09:30:00.000000", "09:30:00.000005000",
         "12345678901234567890.1234", ""],
        ["", "-1", "inf", "false", "1900-01-01", "1900-01-01T00:00:00.000000+00:00", "2024-01-31T09:30:00.000001",
         "00:00:00.000000000", "-0.0001", ""],
        [""] * 10,
    ]  # fmt: skip
    assert '\n"",-1' in text, "an empty text is told from NULL"
    assert exported.location.endswith("/part-00000.csv")


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_an_answer_without_rows_has_its_columns(lake: Lake, file_format: FileFormat) -> None:
    exported = publish_export(lake, "empty", file_format, [EVERYTHING.clear()], "run")
    assert exported.snapshot.rows == 0
    if file_format == "csv":
        assert content(lake, exported).decode() == ",".join(EVERYTHING.columns) + "\n"
    else:
        assert_frame_equal(read_export(lake, "empty").collect(), EVERYTHING.clear())


def test_the_same_rows_again_change_nothing(lake: Lake) -> None:
    first = publish_export(lake, "again", "parquet", [numbers(1, 2), numbers(3)], "run 1")
    again = publish_export(lake, "again", "parquet", [numbers(1, 2), numbers(3)], "run 2")
    assert again == first.model_copy(update={"changed": False})
    assert sorted(files(lake)) == ["_current.json", "part-00000.parquet"]
    other = publish_export(lake, "again", "parquet", [numbers(1, 2), numbers(4)], "run 3")
    assert other.changed
    assert other.snapshot.snapshot > first.snapshot.snapshot


def test_the_same_values_in_another_type_are_a_change(lake: Lake) -> None:
    publish_export(lake, "typed", "csv", [numbers(1)], "run 1")
    exported = publish_export(lake, "typed", "csv", [numbers(1).cast(pl.Int32)], "run 2")
    assert exported.changed


def test_both_formats_stand_side_by_side(lake: Lake) -> None:
    publish_export(lake, "both", "parquet", [numbers(1)], "run")
    publish_export(lake, "both", "csv", [numbers(2)], "run")
    assert read_export(lake, "both").collect().rows() == [(1,)]
    assert [s.partition for s in lake.partitions(EXPORTS)] == ["both.csv", "both"]


def test_readers_of_the_old_one_are_not_disturbed(lake: Lake) -> None:
    publish_export(lake, "read", "parquet", [numbers(1)], "run 1")
    reading = read_export(lake, "read")
    publish_export(lake, "read", "parquet", [numbers(2)], "run 2")
    assert reading.collect().rows() == [(1,)]
    assert read_export(lake, "read").collect().rows() == [(2,)]


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_what_fails_half_way_leaves_the_old_one(lake: Lake, file_format: FileFormat) -> None:
    before = publish_export(lake, "fails", file_format, [numbers(1)], "run 1")

    def dropped() -> Iterator[pl.DataFrame]:
        yield numbers(*range(300_000))
        raise TransientError("the connection dropped")

    with pytest.raises(TransientError, match="dropped"):
        publish_export(lake, "fails", file_format, dropped(), "run 2")
    assert lake.partitions(EXPORTS) == [before.snapshot]
    assert len(files(lake)) == 2, "nothing is left of the second one"


def test_columns_that_change_are_refused(lake: Lake) -> None:
    with pytest.raises(ContractError, match=r"After 2 rows the columns of an export changed: n from Int64 to String"):
        publish_export(lake, "changing", "parquet", [numbers(1, 2), pl.DataFrame({"n": ["a"]})], "run")
    with pytest.raises(ContractError, match="n from Int64 to nothing"):
        publish_export(lake, "changing", "parquet", [numbers(1, 2), pl.DataFrame({"m": [1]})], "run")
    with pytest.raises(ContractError, match="there are new ones"):
        publish_export(lake, "changing", "parquet", [numbers(1), numbers(1).with_columns(m=1)], "run")
    assert files(lake) == []


@pytest.mark.parametrize("frames", [[], [pl.DataFrame()]])
def test_no_columns_at_all_are_refused(lake: Lake, frames: list[pl.DataFrame]) -> None:
    with pytest.raises(ContractError, match="has no columns"):
        publish_export(lake, "nothing", "parquet", frames, "run")
    assert files(lake) == []


@pytest.mark.parametrize("column", [pl.Series("c", [b"bytes"]), pl.Series("c", [[1, 2]]), pl.Series("c", [{"a": 1}])])
def test_what_csv_cannot_hold_is_refused(lake: Lake, column: pl.Series) -> None:
    with pytest.raises(ContractError, match="cannot hold the columns c, which are bytes or lists"):
        publish_export(lake, "bytes", "csv", [column.to_frame()], "run")
    publish_export(lake, "bytes", "parquet", [column.to_frame()], "run")
    assert_frame_equal(read_export(lake, "bytes").collect(), column.to_frame())


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a.csv", "-a", "_a", "a b", "é", "a\n", "a" * 64, "../../etc"])
def test_what_is_no_name_is_refused(lake: Lake, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of an export"):
        publish_export(lake, name, "parquet", [numbers(1)], "run")


def test_an_export_that_is_not_there(lake: Lake) -> None:
    publish_export(lake, "one", "csv", [numbers(1)], "run")
    with pytest.raises(ConfigurationError, match=r"There is no Parquet export one\. Those that are there: one\.csv"):
        read_export(lake, "one")


def test_of_two_at_once_the_one_that_began_later_stays(lake: Lake) -> None:
    def overtaken() -> Iterator[pl.DataFrame]:
        yield numbers(1)
        publish_export(lake, "race", "parquet", [numbers(2)], "later")

    with pytest.raises(
        LostRaceError, match=r"published/exports/race was exported by run later, which began after run "
    ):
        publish_export(lake, "race", "parquet", overtaken(), "earlier")
    assert read_export(lake, "race").collect().rows() == [(2,)]
    assert len(files(lake)) == 2


def test_of_two_at_once_an_older_one_is_replaced(lake: Lake) -> None:
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)

    def overtaken() -> Iterator[pl.DataFrame]:
        yield numbers(1)
        publish_export(lake, "race", "parquet", [numbers(2)], "earlier", clock=lambda: noon)

    later = noon + timedelta(seconds=1)
    publish_export(lake, "race", "parquet", overtaken(), "later", clock=lambda: later)
    assert read_export(lake, "race").collect().rows() == [(1,)]


def test_a_clock_that_is_behind_does_not_matter(lake: Lake) -> None:
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    first = publish_export(lake, "clock", "parquet", [numbers(1)], "run 1", clock=lambda: noon)
    second = publish_export(lake, "clock", "parquet", [numbers(2)], "run 2", clock=lambda: noon - timedelta(hours=1))
    assert second.snapshot.snapshot > first.snapshot.snapshot
    assert read_export(lake, "clock").collect().rows() == [(2,)]


def test_housekeeping_removes_old_ones(lake: Lake) -> None:
    for n in range(3):
        publish_export(lake, "kept", "parquet", [numbers(n)], "run")
        publish_export(lake, "kept", "csv", [numbers(n)], "run")
    (kept,) = housekeep(lake, timedelta(hours=1), datetime.now(UTC) + timedelta(hours=2), [EXPORTS])
    assert kept.removed == 4
    assert read_export(lake, "kept").collect().rows() == [(2,)]


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_a_full_disk(tmp_path: Path, file_format: FileFormat) -> None:
    with small_disk(tmp_path / "small", "1m") as disk:
        lake = open_lake(str(disk))
        before = publish_export(lake, "full", file_format, [numbers(1)], "run 1")
        text = pl.DataFrame({"text": [str(n * 7919) for n in range(200_000)]})
        with pytest.raises(FatalError, match="The disk is full"):
            publish_export(lake, "full", file_format, (text for _ in range(3)), "run 2")
        assert lake.partitions(EXPORTS) == [before.snapshot]
        assert len(files(lake)) == 2
