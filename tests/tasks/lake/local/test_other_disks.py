"""A lake on disks of other systems: what it writes can be there, and what it refuses could not."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import ConfigurationError
from tasks.lake import Lake, open_lake
from tasks.lake.exports import publish_export, read_export
from tasks.lake.landing import Landing
from tasks.lake.local.store import LocalStore
from tasks.lake.snapshots.names import check_portable
from tests.other_disks import exfat, ntfs
from tests.tasks.lake.examples import READINGS, change, readings

__all__ = ["exfat", "ntfs"]

ODD = st.sampled_from(
    ["CON", "aux", "com1", "COM¹", "nul.txt", "lpt1 .x", "a.", "a ", "a:b", "x?", "ü", "k\u0308", "🙂", "^"]
)


def publish(lake: Lake, partition: str, value: float = 1.0) -> None:
    lake.update(READINGS, partition, lambda _: change(readings(value)), "run")


@pytest.mark.parametrize("disk", ["ntfs", "exfat"])
def test_a_lake_works_there(disk: str, request: pytest.FixtureRequest) -> None:
    lake = open_lake(str(request.getfixturevalue(disk) / "my Lüke"))
    publish(lake, "year=2024/shard=0", 1.0)
    publish(lake, "year=2024/shard=0", 2.0)
    publish_export(lake, "movers", "csv", [pl.DataFrame({"n": [1]})], "run")

    assert lake.read(READINGS, lake.partitions(READINGS)).collect()["value"].to_list() == [2.0]
    drop(lake, "Acme GmbH/Kürse 2024.csv")
    landing = Landing(lake.store)
    (file,) = landing.waiting()
    landing.put_away(file, "done", b"{}")
    assert landing.waiting() == []
    assert [e.path for e in lake.store.entries("landing/done/") if e.path.endswith("/Kürse 2024.csv")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=ODD | st.text(min_size=1, max_size=12).filter(lambda text: "/" not in text))
def test_a_name_that_is_taken_can_be_on_ntfs(ntfs: Path, name: str) -> None:
    try:
        check_portable(name)
    except ConfigurationError:
        return
    (ntfs / name).mkdir(exist_ok=True)
    assert name in {path.name for path in ntfs.iterdir()}


@pytest.mark.parametrize("name", ["CON", "aux", "nul.csv", "com1", "a:b", "x?", "a.", "a "])
def test_a_name_that_is_refused_cannot_be_on_ntfs(ntfs: Path, name: str) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        (ntfs / name).mkdir()
    with pytest.raises(ConfigurationError, match="cannot be the name of a folder on every system"):
        publish(open_lake(str(ntfs)), name)


def test_partitions_that_differ_in_capitals_alone_are_not_mixed(exfat: Path) -> None:
    lake = open_lake(str(exfat))
    publish(lake, "v.US")

    told = r"There is 'curated/readings/v\.US' already, which is the same as 'curated/readings/V\.US' for Windows"
    with pytest.raises(ConfigurationError, match=told):
        publish(lake, "V.US")
    with pytest.raises(ConfigurationError, match=told):
        lake.current(READINGS, "V.US")
    assert [found.partition for found in lake.partitions(READINGS)] == ["v.US"]


def test_exports_that_differ_in_capitals_alone_are_not_mixed(exfat: Path) -> None:
    lake = open_lake(str(exfat))
    publish_export(lake, "Sales", "parquet", [pl.DataFrame({"n": [1]})], "run")

    with pytest.raises(ConfigurationError, match="There is 'published/exports/Sales' already"):
        publish_export(lake, "sales", "parquet", [pl.DataFrame({"n": [2]})], "run")
    assert read_export(lake, "Sales").collect()["n"].to_list() == [1]


def test_a_name_that_is_too_long_for_the_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"is too long for this system: it has .* characters\. Point ETL_LAKE_URL"
    ):
        LocalStore(tmp_path / ("x" * 300))


def drop(lake: Lake, path: str) -> None:
    with lake.store.create(f"landing/{path}") as file:
        file.write(b"id,2024-01-01\n1,2\n")
