"""What the flows read for long is marked as being read, so that housekeeping leaves it; see
tasks/lake/retention/read_leases.py."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from flows.data_quality import data_quality
from flows.vendor_file import vendor_file
from tasks.datasets import Dataset
from tasks.lake import Lake
from tasks.lake.retention.read_leases import home_of, leased
from tasks.window import Window
from tests.flows.conftest import AS_OF, House
from tests.flows.vendor_file.vendors import Vendors, days, wide_csv

# Prefect leaves the sockets of its event stream to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SPRING = Window(first=date(2024, 1, 1), last=date(2024, 3, 31))
# One read of several snapshots, of little, at the start of a shard's extraction: it ends long before any retention.
SHORT = {"raw/fetches"}


class Watch:
    """Which datasets were read with all their snapshots marked, and which several snapshots of without."""

    def __init__(self) -> None:
        self.marked: set[str] = set()
        self.unmarked: set[str] = set()

    def see(self, lake: Lake, dataset: Dataset, files: Iterable[str]) -> None:
        home = home_of(dataset)
        snapshots = {path.removeprefix(f"{home}/").rpartition("/")[0] for path in files}
        if snapshots and snapshots <= leased(lake.store, home, datetime.now(UTC)):
            self.marked.add(home)
        elif len(snapshots) > 1:
            self.unmarked.add(home)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Sees each read, which happens all the same."""
    seen, scan = Watch(), Lake.scan

    def watched(lake: Lake, dataset: Dataset, files: Iterable[str], stored: pl.Schema | None = None) -> pl.LazyFrame:
        listed = list(files)
        seen.see(lake, dataset, listed)
        return scan(lake, dataset, listed, stored)

    monkeypatch.setattr(Lake, "scan", watched)
    return seen


def test_market_prices_and_the_checks_mark_what_they_read(
    house: House, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_DASHBOARD_PATH", str(house.page))
    codes = [f"{name}.US" for name in ("AAPL", "MSFT", "JPM", "XOM")]
    house.run(codes, Window(first=date(2023, 9, 1), last=date(2024, 1, 31)), shards=2)
    house.run(codes, SPRING, shards=2)
    asyncio.run(data_quality(Window(first=SPRING.first, last=min(SPRING.last, AS_OF))))

    assert watch.unmarked <= SHORT
    expected = {"raw/prices", "raw/fetches", "curated/prices"}
    expected |= {"published/price_measures", "published/data_quality", "published/quality_results"}
    assert watch.marked >= expected


def test_vendor_files_too(tmp_path: Path, prefect_api: str, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    vendors = Vendors(tmp_path, str(tmp_path / "lake"))
    for variable, value in vendors.environment.items():
        monkeypatch.setenv(variable, value)
    codes = {f"C{n}": {day: float(n) for day in days(40)} for n in range(30)}
    for name in ("one", "two"):
        vendors.drop(f"{name}.csv", wide_csv(codes))
        asyncio.run(vendor_file())

    assert watch.unmarked == set()
    assert watch.marked >= {"raw/vendor_rows", "curated/vendor_values", "published/vendor_measures"}
