"""Names that people choose: one that some disk cannot have, or takes for another's, is refused in words."""

import string
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tasks.errors import ConfigurationError
from tasks.lake import Lake, open_lake
from tasks.lake.exports import EXPORTS, publish_export, read_export
from tasks.lake.snapshots.names import check_portable
from tests.tasks.lake.examples import READINGS, change, readings

ROWS = pl.DataFrame({"n": [1, 2]})


def publish(lake: Lake, partition: str) -> None:
    lake.update(READINGS, partition, lambda _: change(readings(1.0)), "run")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("CON.US", "Windows has a device CON; add something in front"),
        ("aux", "Windows has a device AUX"),
        ("part=1/nul", "Windows has a device NUL"),
        ("lpt1 .csv", "Windows has a device LPT1"),
        ("V.US.", "Windows drops a dot or space at the end; leave it out"),
        ("Kurse ", "Windows drops a dot or space at the end"),
        ("10:30", "Windows knows no ':' in names; take another character"),
        ("a\\b", "Windows knows no '\\\\\\\\' in names"),
        ("a//b", "it names no folder"),
        ("", "it names no folder"),
        ("ü" * 61, "it has more than 120 bytes; shorten it"),
    ],
)
def test_a_new_partition_that_some_disk_cannot_have_is_refused(lake: Lake, name: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot be the name of a folder on every system: {why}"):
        publish(lake, name)
    assert list(lake.store.entries("curated/")) == []


@pytest.mark.parametrize("name", ["year=2024/shard=3", "Kürse/acme", "console", "auxiliary.US", "nullable", "COM10"])
def test_all_others_are_taken(lake: Lake, name: str) -> None:
    publish(lake, name)
    assert [found.partition for found in lake.partitions(READINGS)] == [name]


def test_what_is_there_already_can_be_read_and_written_as_ever(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:  # as it was written when every name was taken
        for module in ("lake", "exports"):
            before.setattr(f"tasks.lake.{module}.check_portable", lambda _: None)
        publish(lake, "aux")
        publish_export(lake, "con", "parquet", [ROWS], "run")

    publish(lake, "aux")
    assert publish_export(lake, "con", "parquet", [ROWS.reverse()], "run").changed
    assert read_export(lake, "con").collect()["n"].to_list() == [2, 1]


def test_an_export_that_differs_from_another_in_capitals_alone_is_refused(lake: Lake) -> None:
    publish_export(lake, "Sales", "csv", [ROWS], "run")

    with pytest.raises(
        ConfigurationError,
        match=r"There is 'Sales\.csv' already, which is the same as 'sales\.csv' for Windows and mac",
    ):
        publish_export(lake, "sales", "csv", [ROWS], "run")
    assert [found.partition for found in lake.partitions(EXPORTS)] == ["Sales.csv"]
    assert publish_export(lake, "Sales", "csv", [ROWS.reverse()], "run").changed


NAMES = st.text(st.sampled_from(string.ascii_letters + string.digits + "-_"), min_size=1, max_size=6)


@given(one=NAMES, other=NAMES)
@example(one="v", other="V")
@example(one="CON", other="con")
def test_exports_stay_apart_whatever_they_are_called(one: str, other: str) -> None:
    assume(one[0].isalnum() and other[0].isalnum() and one != other)
    with TemporaryDirectory() as folder:
        lake = open_lake(folder)
        for name in (one, other):
            try:
                publish_export(lake, name, "parquet", [ROWS], "run")
            except ConfigurationError:
                continue
        folders = [path.name for path in Path(folder, "published", "exports").glob("*")]
    assert len({name.casefold() for name in folders}) == len(folders)


@given(st.text(min_size=1, max_size=40))
@example("COM¹")
@example("aux .x")
@example("../b")
@example("a/.")
def test_a_name_is_taken_as_it_stands_or_refused(name: str) -> None:
    try:
        check_portable(name)
    except ConfigurationError:
        return
    folders = name.split("/")
    assert all(folder.strip(" .") and folder == folder.rstrip(" .") for folder in folders)
    assert not set(name) & set('<>:"|?*\\\0\n\t')
    assert not {folder.partition(".")[0].rstrip().upper() for folder in folders} & {"CON", "PRN", "AUX", "NUL", "COM1"}
