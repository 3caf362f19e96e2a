"""Two versions of the code at work on one lake: the project as it is, and with contracts and formulas changed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.datasets import PRICES
from tasks.extract.sample_market import Served
from tests.flows.conftest import House

PROJECT = Path(__file__).parents[3]
MEASURE = Path(__file__).with_name("own_measure.patch")
MERGE = """
import sys
import polars as pl
from tasks.datasets import PRICES
from tasks.lake import open_lake
from tasks.transform.merge import merge

lake, (rows, result) = open_lake("lake"), sys.argv[1:]
frame = pl.read_parquet(rows)
missing = [pl.lit(None, t).alias(n) for n, t in PRICES.polars_schema.items() if n not in frame.columns]
merge(lake, PRICES, frame.with_columns(missing).select(PRICES.polars_schema.names()).cast(PRICES.polars_schema), "run")
lake.read(PRICES, lake.partitions(PRICES)).sort(PRICES.key).collect().write_parquet(result)
"""


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A copy of the code, to be changed."""
    folder = tmp_path / "newer"
    for name in ("flows", "tasks"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def change(folder: Path, old: str, new: str) -> None:
    """Edits the contract of prices."""
    path = folder / "tasks" / "contracts" / "prices.py"
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))


def run(code: Path, *command: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    given = {**os.environ, **environment, "PYTHONPATH": str(code)}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=given, capture_output=True, text=True, timeout=300, check=False
    )


def merge(code: Path, folder: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """What that code has stored after it has merged these rows."""
    rows.write_parquet(folder / "rows.parquet")
    done = run(code, "-c", MERGE, "rows.parquet", "result.parquet", cwd=folder)
    assert done.returncode == 0, done.stderr
    return pl.read_parquet(folder / "result.parquet")


def bars(days: dict[int, tuple[float, str | None]], hour: int) -> pl.DataFrame:
    """Of one code by day of January: its volume and currency."""
    prices = dict.fromkeys(("open", "high", "low", "close", "adjusted_close"), 10.0)
    fetched = {"fetched_at": datetime(2024, 2, 1, hour, tzinfo=UTC)}
    rows = [
        {"code": "A.US", "date": date(2024, 1, d), **prices, "volume": v, "currency": c, **fetched}
        for d, (v, c) in days.items()
    ]
    return pl.DataFrame(rows, schema_overrides={"fetched_at": PRICES.polars_schema["fetched_at"]})


def test_a_column_more_and_a_wider_type_are_read_and_kept_by_both(newer: Path, tmp_path: Path) -> None:
    change(newer, "volume = dy.Int64(min=0)", "volume = dy.Float64(min=0)\n    currency = dy.String(nullable=True)")
    old, seen = PROJECT, ("date", "volume", "currency")
    merge(old, tmp_path, bars({2: (1, None)}, hour=1))

    by_new = merge(newer, tmp_path, bars({3: (2.0, "USD"), 4: (3.0, "USD")}, hour=2))
    assert [row[1:] for row in by_new.select(seen).rows()] == [(1.0, None), (2.0, "USD"), (3.0, "USD")]

    by_old = merge(old, tmp_path, bars({4: (30, None), 5: (4, None)}, hour=3))
    assert by_old.schema == PRICES.polars_schema
    assert by_old["volume"].to_list() == [1, 2, 30, 4]

    by_new = merge(newer, tmp_path, bars({8: (5.5, "USD")}, hour=4))
    assert by_new["volume"].to_list() == [1, 2, 30, 4, 5.5]
    assert by_new["currency"].to_list() == [None, "USD", "USD", None, "USD"]

    done = run(old, "-c", MERGE, "rows.parquet", "result.parquet", cwd=tmp_path)
    assert done.returncode
    assert "column volume of curated/prices/year=2024/" in done.stderr
    assert "has 5.5 in it, which Int64 cannot hold as it is. Run the code that wrote it" in done.stderr


def test_a_type_that_is_not_compatible_is_refused_in_words(newer: Path, tmp_path: Path) -> None:
    change(newer, "volume = dy.Int64(min=0)", "volume = dy.String()")
    before = merge(PROJECT, tmp_path, bars({2: (1, None)}, hour=1))

    done = run(newer, "-c", MERGE, "rows.parquet", "result.parquet", cwd=tmp_path)

    assert done.returncode
    assert "cannot be read as curated/prices: column volume is Int64 in it, and String in the contract" in done.stderr
    assert_frame_equal(merge(PROJECT, tmp_path, bars({2: (1, None)}, hour=1)), before)


@pytest.mark.timeout(900)
def test_a_measure_that_is_added_reaches_all_weeks_without_fetching(
    newer: Path, build: Callable[[str, str], House], served: Served, prefect_api: str, tmp_path: Path
) -> None:
    house = build("house", served.url)
    done = subprocess.run(["git", "apply", str(MEASURE)], cwd=newer, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    def flow(code: Path) -> pl.DataFrame:
        """The measures in the warehouse after the main job by that code."""
        command = ("-m", "flows.market_prices", "AAPL.US", "MSFT.US", "--lag-days", "0")
        days = ("--first", "2023-06-01", "--last", "2024-06-27")
        done = run(code, *command, *days, cwd=tmp_path, PREFECT_API_URL=prefect_api, **house.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        asked.append(done.stdout)
        return house.table("price_measures")

    asked: list[str] = []
    before = flow(PROJECT)
    after = flow(newer)
    assert re.search(r"codes asked now +0 ", asked[1])
    assert after["high_10w"].null_count() == 0
    assert_frame_equal(after.drop("high_10w"), before)
    assert_frame_equal(flow(PROJECT), after)
    assert_frame_equal(flow(newer), after)
