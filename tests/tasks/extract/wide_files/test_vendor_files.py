"""A dropped file becomes raw rows once: with the same layout it is not read again, and half of one is never read."""

from pathlib import Path

import pytest

from tasks.datasets import RAW_VENDOR_COLUMNS, RAW_VENDOR_ROWS
from tasks.errors import ContractError, TransientError
from tasks.extract.wide_files.layout import Layout
from tasks.extract.wide_files.vendor_files import ExtractedFile, extract_file
from tasks.lake import Lake, open_lake
from tasks.lake.landing import Landed, Landing
from tests.servers.azurite import Azurite, azurite

__all__ = ["azurite"]

TEXT = "id;31/01/2024;01/02/2024\nA;1.5;2.5\nB;;soon\n"


@pytest.fixture(params=["local", "azure"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "azure":
        server: Azurite = request.getfixturevalue("azurite")
        return open_lake(server.empty_lake())
    return open_lake(str(tmp_path))


def drop(lake: Lake, text: str = TEXT, path: str = "a.csv") -> Landed:
    with lake.store.create(f"landing/{path}") as file:
        file.write(text.encode())
    (found,) = Landing(lake.store).waiting([path])
    return found


def extract(lake: Lake, file: Landed, run: str = "run", **layout: object) -> ExtractedFile:
    return extract_file(lake, Landing(lake.store), file, Layout.model_validate(layout), run)


def test_rows_and_columns_are_kept_as_they_were_received(lake: Lake) -> None:
    extracted = extract(lake, drop(lake))
    rows = lake.read(RAW_VENDOR_ROWS, [extracted.rows]).select("row", "code", "values", "unread").collect()
    assert rows.rows() == [(2, "A", [1.5, 2.5], None), (3, "B", [None, None], ["soon"])]
    columns = lake.read(RAW_VENDOR_COLUMNS, [extracted.columns]).select("name").collect()
    assert columns["name"].to_list() == ["31/01/2024", "01/02/2024"]


def test_it_is_read_once_for_each_layout(lake: Lake) -> None:
    file = drop(lake)
    first = extract(lake, file, "one")
    assert extract(lake, file, "two") == first
    other = extract(lake, file, "three", no_value=["soon"])
    assert (other.rows.run, other.columns.run) == ("three", "three")


def test_a_file_that_is_refused_leaves_nothing_behind(lake: Lake) -> None:
    with pytest.raises(ContractError, match="'1,234' may be a number of thousands"):
        extract(lake, drop(lake, "id;31/01/2024\nA;1,234\n"))
    assert lake.partitions(RAW_VENDOR_ROWS) == []
    assert not [e for e in lake.store.entries("raw/") if e.path.endswith(".parquet") and "vendor_rows" in e.path]


def test_a_file_that_is_gone_is_for_another_time(lake: Lake) -> None:
    file = drop(lake)
    lake.store.delete("landing/a.csv")
    with pytest.raises(TransientError, match=r"a\.csv"):
        extract(lake, file)


def test_a_file_of_many_dates_comes_whole(lake: Lake) -> None:
    dates = ";".join(f"{day:02}/{month:02}/{year}" for year in range(1990, 2024) for month in (1, 6) for day in (1, 20))
    count = dates.count(";") + 1
    lines = [f"C{n};{';'.join(['1'] * count)}" for n in range(100)]
    extracted = extract(lake, drop(lake, "\n".join([f"id;{dates}", *lines])))
    assert extracted.rows.rows == 100
    assert extracted.columns.rows == count
