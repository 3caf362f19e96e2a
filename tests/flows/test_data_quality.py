"""The checks of what is stored, as the flow runs them over the sample market: they find what is wrong, and leave it."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from prefect.artifacts import Artifact
from prefect.utilities.callables import parameter_schema

from flows.data_quality import Report, data_quality
from tasks.coverage.listings import keep_listing
from tasks.datasets import PRICE_MEASURES, PRICES, QUALITY_RESULTS, Dataset
from tasks.errors import ConfigurationError, ContractError
from tasks.lake import Change, Lake, SnapshotRef, open_lake
from tasks.sessions.closing_times import last_day_over
from tasks.window import Window
from tests.flows.conftest import AS_OF, YEAR, House

# Prefect leaves the sockets of its event stream to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

LATER = datetime(2024, 7, 1, tzinfo=UTC)
SPRING = Window(first=date(2024, 2, 1), last=date(2024, 5, 31))
CHECKS = {
    "price_measures": ["contract", "measured", "rows", "warehouse"],
    "prices": [
        "adjustment",
        "completeness",
        "contract",
        "coverage",
        "duplicates",
        "freshness",
        "jumps",
        "off_session",
        "ohlc_order",
        "quarantine",
        "row_count",
        "rows",
        "sessions",
        "standstill",
        "warehouse",
    ],
}


def judge(window: Window | None = SPRING, **parameters: Any) -> Report:
    report: Report = asyncio.run(data_quality(window, **parameters))
    return report


def failed(report: Report) -> list[str]:
    return [f"{r.dataset} {r.check}" for r in report.results if not r.passed]


def change(house: House, dataset: Dataset, partition: str, frame: pl.DataFrame) -> None:
    lake = open_lake(str(house.lake))
    lake.update(dataset, partition, lambda _: Change([frame.sort(dataset.sort)], ()), "somebody")


def a_part(house: House, dataset: Dataset) -> tuple[Lake, SnapshotRef, pl.DataFrame]:
    """That of this year which has the most rows."""
    lake = open_lake(str(house.lake))
    part = max((s for s in lake.partitions(dataset) if "year=2024" in s.partition), key=lambda s: s.rows)
    return lake, part, lake.read(dataset, [part]).collect()


def test_a_sound_lake_passes_and_nothing_else_is_touched(house: House) -> None:
    house.run()
    tables, files = (
        house.tables(),
        [*house.snapshots("curated"), *house.snapshots("raw"), *house.snapshots("published")],
    )

    report = judge()

    found: dict[str, list[str]] = {}
    for result in report.results:
        found.setdefault(result.dataset, []).append(result.check)
    assert found == CHECKS
    errors = [r for r in report.results if r.severity == "error" and not r.passed]
    assert errors == []
    assert all(rows.equals(tables[name]) for name, rows in house.tables().items())
    after = [*house.snapshots("curated"), *house.snapshots("raw"), *house.snapshots("published")]
    assert [path for path in after if path not in files] == [
        path for path in after if path.startswith("published/quality_results/")
    ]
    assert house.table("quality_results").height == len(report.results) == 19
    stored = {r.dataset: r.value for r in report.results if r.check == "rows"}
    within = house.table("prices").filter(pl.col("date").is_between(pl.lit("2024-02-01"), pl.lit("2024-05-31")))
    assert stored["prices"] == within.height > 4_000
    runs = house.table("etl_runs").filter(pl.col("flow") == "data-quality")
    assert runs.select("state", "window_first", "window_last").rows() == [("checked", "2024-02-01", "2024-05-31")]


def test_what_somebody_broke_is_found_and_fails_the_run(house: House) -> None:
    house.run()
    _, part, bars = a_part(house, PRICES)
    victim = bars.filter(pl.col("date") > date(2024, 3, 1)).row(0, named=True)
    is_victim = (pl.col("code") == victim["code"]) & (pl.col("date") == victim["date"])
    broken = bars.with_columns(close=pl.when(is_victim).then(-1.0).otherwise("close"))
    change(house, PRICES, part.partition, broken)

    with pytest.raises(ContractError, match=r"2024-02-01_2024-05-31 failed these checks: contract of prices: 1 rules"):
        judge()

    change(house, PRICES, part.partition, bars.filter(~is_victim.or_(pl.col("date") > date(2024, 5, 1))))
    report = judge(Window(first=date(2024, 4, 1), last=date(2024, 4, 26)))
    assert [name for name in failed(report) if "contract" in name] == []
    results = house.table("quality_results").filter(pl.col("check") == "contract", pl.col("dataset") == "prices")
    assert sorted(results["passed"].to_list()) == [0, 1]
    assert house.table("etl_runs")["state"].to_list().count("checks failed") == 1


@pytest.mark.parametrize("lost", [PRICES, PRICE_MEASURES])
def test_measures_that_are_not_those_of_the_prices_are_found(house: House, lost: Dataset) -> None:
    house.run()
    _, part, rows = a_part(house, lost)
    period = str(lost.period)
    code = rows["code"][0]
    kept = rows.filter((pl.col("code") != code) | ~pl.col(period).is_between(date(2024, 4, 1), date(2024, 4, 7)))
    assert kept.height < rows.height
    change(house, lost, part.partition, kept)

    with pytest.raises(ContractError, match=rf"measured of price_measures: 1 keys disagree: {code} 2024-04-01"):
        judge(datasets=["price_measures"])
    assert failed(judge(Window(first=date(2024, 2, 5), last=date(2024, 3, 31)), datasets=["price_measures"])) == []


def test_the_trend_has_what_the_last_runs_found(house: House) -> None:
    house.run()
    judge()
    lake, part, bars = a_part(house, PRICES)
    change(house, PRICES, part.partition, bars.with_columns(low=-pl.col("low")))
    with pytest.raises(ContractError, match="contract of prices"):
        judge()
    change(house, PRICES, part.partition, bars)

    report = judge()

    (contract,) = [r for r in report.results if (r.dataset, r.check) == ("prices", "contract")]
    assert [passed for passed, _ in contract.trend] == [True, False, True]
    assert contract.trend[0][1] == contract.trend[2][1] == 0
    assert (contract.trend[1][1] or 0) > 100
    assert "| prices | contract | passed | ✓✗✓ | 0 " in report.summary
    artifact = asyncio.run(Artifact.aget("data-quality-trend"))
    assert artifact
    assert artifact.data == report.summary
    kept = lake.read(QUALITY_RESULTS, lake.partitions(QUALITY_RESULTS)).collect()
    assert kept.group_by("run").len()["len"].to_list() == [19, 19, 19]
    assert kept.height == house.table("quality_results").height


def test_a_range_without_a_row_and_a_lake_without_anything_do_not_pass(house: House) -> None:
    with pytest.raises(ConfigurationError, match="Nothing is stored in this lake"):
        judge()
    house.run()
    with pytest.raises(ConfigurationError, match="Nothing is stored in this lake of 2020-01-01_2020-12-31, nor"):
        judge(Window(first=date(2020, 1, 1), last=date(2020, 12, 31)))
    with pytest.raises(ContractError, match=r"rows of price_measures: 0 rows stored; .*rows of prices: 0 rows stored"):
        judge(Window(first=AS_OF + timedelta(weeks=2), last=AS_OF + timedelta(weeks=4)))  # it has stopped
    with pytest.raises(ContractError, match="rows of vendor_values: 0 rows"):
        judge(datasets=["vendor_values"])


def test_a_range_of_years_is_as_its_parts(house: House) -> None:
    house.run()
    whole = {(r.dataset, r.check): r for r in judge(YEAR).results}
    parts = [
        judge(part)
        for part in (
            YEAR.model_copy(update={"last": date(2023, 12, 31)}),
            Window(first=date(2024, 1, 1), last=YEAR.last),
        )
    ]
    for check in ("rows", "jumps", "duplicates"):
        found = [r.value or 0 for part in parts for r in part.results if (r.dataset, r.check) == ("prices", check)]
        assert whole["prices", check].value == sum(found)
    assert whole["prices", "row_count"].detail == "no sessions before to compare with"


def test_the_form_in_the_ui_offers_the_datasets(house: House) -> None:
    schema = parameter_schema(data_quality).model_dump_for_openapi()
    assert list(schema["properties"]) == ["window", "days", "datasets", "after"]
    assert all(p.get("description") for p in schema["properties"].values())
    offered = str(schema["properties"]["datasets"])
    assert "vendor_measures" in offered
    assert "enum" in offered


def test_without_a_window_it_is_the_days_before_the_run(house: House) -> None:
    house.run()
    began = last_day_over("US", datetime.now(UTC), timedelta(hours=3))
    with pytest.raises(ContractError, match="0 rows stored"):
        judge(None, days=3, datasets=["prices"])
    run = house.table("etl_runs").filter(pl.col("flow") == "data-quality").row(0, named=True)
    first, last = (date.fromisoformat(run[name]) for name in ("window_first", "window_last"))
    assert last - first == timedelta(days=2)
    assert began <= last <= last_day_over("US", datetime.now(UTC), timedelta(hours=3))


def test_after_a_run_of_prices_its_own_window_is_judged(house: House) -> None:
    house.run(window=SPRING, lag_days=2)
    run = house.table("etl_runs").row(0, named=True)["run"]
    assert judge(None, after=f"prefect.flow-run.{run}").window == SPRING.reaching_back(2)


def test_codes_that_nobody_has_asked_for_since_are_told(house: House) -> None:
    house.run(window=SPRING)
    one = house.table("prices")["code"].to_list()[0]
    house.run([one], Window(first=date(2024, 6, 1), last=date(2024, 6, 14)))
    lake = open_lake(str(house.lake))
    keep_listing(lake, "US", date(2024, 6, 14), house.table("prices")["code"].unique().to_list(), LATER, "somebody")
    (found,) = (r for r in judge(Window(first=SPRING.first, last=date(2024, 6, 14))).results if r.check == "coverage")
    assert not found.passed
    assert "lack 2024-06-03 to 2024-06-14" in found.detail
    assert f"({one}" not in found.detail


def test_from_a_shell(house: House, prefect_api: str) -> None:
    house.run()
    command = [sys.executable, "-m", "flows.data_quality"]
    environment = {**os.environ, **house.environment, "PREFECT_API_URL": prefect_api}

    def run(*options: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)

    good = run("prices", "--first", "2024-02-01", "--last", "2024-05-31")
    assert good.returncode == 0, good.stderr
    assert "Data quality of 2024-02-01 to 2024-05-31: 0 errors" in good.stdout
    backwards = run("--first", "2024-02-02", "--last", "2024-02-01")
    assert backwards.returncode == 1
    assert backwards.stderr.strip().endswith("Give the earlier date as its first day.")
    assert "Traceback" not in backwards.stderr
    unknown = run("bonds")
    assert unknown.returncode == 2
    assert "'bonds' is none of prices, price_measures, vendor_values, vendor_measures" in unknown.stderr
