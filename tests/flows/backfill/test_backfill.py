"""Years of prices by child runs: on a real Prefect server, executed by a runner as a worker would."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from prefect import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
)
from prefect.states import Completed

from flows.backfill import BackfillReport, _key, backfill
from flows.market_prices import market_prices
from tasks.extract.prices.backfill_pace import Pace
from tasks.extract.sample_market import Faults, Served
from tasks.window import Window
from tests.deadline import until
from tests.flows.conftest import House, market_frame

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SPAN = Window(first=date(2022, 3, 1), last=date(2024, 6, 27))
CODES_AT_ONCE = 3


@contextmanager
def runner(name: str, api: str, folder: Path) -> Iterator[None]:
    """A process that executes the runs of market-prices/NAME."""
    script = f"from flows.market_prices import market_prices; market_prices.serve({name!r}, pause_on_shutdown=False)"
    environment = {**os.environ, "PREFECT_API_URL": api, "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    with (folder / "runner.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=log, stderr=log)
    try:
        until(lambda: asyncio.run(deployed(name)), 60)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


async def deployed(name: str) -> bool:
    async with get_client() as client:
        found = await client.read_deployments(
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name]))
        )
    return bool(found)


@pytest.fixture
def deployment(house: House, prefect_api: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.node.name.replace("_", "-")
    with runner(name, prefect_api, tmp_path):
        yield f"market-prices/{name}"


def run(deployment: str, span: Window = SPAN, **parameters: Any) -> BackfillReport:
    pace = Pace(deployment=deployment, at_once=CODES_AT_ONCE)
    report: BackfillReport = asyncio.run(backfill(span.first, span.last, pace=pace, **parameters))
    return report


def children_of(deployment: str) -> int:
    async def count() -> int:
        async with get_client() as client:
            found = await client.read_deployment_by_name(deployment)
            runs = await client.read_flow_runs()
        return sum(r.deployment_id == found.id for r in runs)

    return asyncio.run(count())


def test_years_are_fetched_by_children_and_what_failed_is_done_next_time(
    house: House, served: Served, deployment: str
) -> None:
    run(deployment, catch_up="last")
    served.faults = Faults(quota_used_up=1.0)
    with pytest.raises(Exception, match="Run the backfill again with the same parameters"):
        run(deployment)
    served.faults = Faults(retry_after_seconds=0)
    report = run(deployment)
    assert (len(report.completed), len(report.skipped)) == (2, 1)
    stored = house.table("prices").with_columns(pl.col("date").str.to_date())
    expected = market_frame(served.market, "US", SPAN)
    assert_frame_equal(stored, expected.select(stored.columns), check_dtypes=False)
    assert house.count("price_measures") > 0

    asked, children = served.requests.total, children_of(deployment)
    again = run(deployment)
    assert (again.completed, len(again.skipped)) == ([], 3)
    assert (served.requests.total, children_of(deployment)) == (asked, children)


def test_all_are_fetched_after_one_and_what_codes_lack_is_told(house: House, served: Served, deployment: str) -> None:
    codes = sorted(f"{name}.US" for name in served.market.codes("US", SPAN.last))
    year = Window(first=date(2023, 1, 1), last=date(2023, 12, 31))
    assert run(deployment, year, codes=codes[:1]).completed == [year]
    served.faults = Faults(unavailable_silent=0.1, lasting=frozenset({"unavailable_silent"}))
    failing = [code for code in codes if served.faults.of_code(code)]
    with pytest.raises(Exception, match=rf"{len(failing)} lack 2023-01-03 to 2023-12-29: failed.*{failing[0]}"):
        run(deployment, year)
    assert house.count("prices") > 0
    served.faults = Faults()
    assert run(deployment, year).completed == [year]
    assert children_of(deployment) == 3


def test_a_child_that_somebody_set_completed_does_not_count(house: House, served: Served) -> None:
    async def story() -> None:
        await (await market_prices.ato_deployment("by-hand")).aapply()
        pace = Pace(deployment="market-prices/by-hand")
        backfilling = asyncio.create_task(backfill(date(2024, 1, 1), SPAN.last, codes=["AAPL.US"], pace=pace))
        async with get_client() as client:
            found = await client.read_deployment_by_name(pace.deployment)
            mine = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[found.id]))
            await asyncio.to_thread(until, lambda: children_of(pace.deployment), 120)
            (child,) = await client.read_flow_runs(flow_run_filter=mine)
            await client.set_flow_run_state(child.id, Completed(), force=True)
        await backfilling

    with pytest.raises(Exception, match=r"1 lack codes .*1 lack 2024-01-02 to 2024-06-27: not asked \(AAPL.US\)"):
        asyncio.run(story())


def test_a_refetch_that_failed_goes_on_with_what_is_missing(house: House, served: Served, deployment: str) -> None:
    codes = sorted(f"{name}.US" for name in served.market.codes("US", SPAN.last))[:20]
    run(deployment, codes=codes)
    served.faults = Faults(unavailable_silent=0.2, lasting=frozenset({"unavailable_silent"}))
    failing = [code for code in codes if served.faults.of_code(code)]
    with pytest.raises(Exception, match=f"{len(failing)} lack"):
        run(deployment, codes=codes, refetch=True)
    asked = Counter(served.requests.by_path)
    assert all(asked[f"/api/eod/{code}"] >= 6 for code in codes)
    served.faults = Faults()
    assert len(run(deployment, codes=codes, refetch=True).completed) == 3
    again = {path.rpartition("/")[2] for path, times in served.requests.by_path.items() if times > asked[path]}
    assert again == set(failing)


def test_the_last_window_or_none(house: House, served: Served, deployment: str) -> None:
    assert len(run(deployment, catch_up="none").not_started) == 3
    assert run(deployment, plan_only=True).completed == []
    assert children_of(deployment) == 0
    report = run(deployment, catch_up="last")
    assert report.completed == [Window(first=date(2024, 1, 1), last=SPAN.last)]
    assert len(report.not_started) == 2


def test_an_unknown_deployment_is_named(house: House, served: Served) -> None:
    with pytest.raises(Exception, match=r"There is no deployment 'market-prices/nobody'\. `prefect deployment ls`"):
        run("market-prices/nobody")


def test_only_the_same_work_is_joined() -> None:
    window = Window(first=date(2023, 1, 1), last=date(2023, 12, 31))
    key = _key(window, ["AAPL.US", "IBM.US"], None)
    assert _key(window, ["IBM.US", "AAPL.US"], None) == key
    others = [(["IBM.US"], None), (None, None), (["AAPL.US", "IBM.US"], datetime(2024, 1, 1, tzinfo=UTC))]
    assert key not in {_key(window, codes, since) for codes, since in others}


def test_the_plan_compares_lengths_of_windows() -> None:
    span = ["--first", "2005-01-01", "--last", "2024-12-31"]
    done = subprocess.run(
        [sys.executable, "-m", "flows.backfill", *span, "--plan", "--plan-codes", "50000", "--at-once", "10"],
        env={**os.environ, "ETL_SOURCE_URL": "https://source.example"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "50,000 codes of 2005-01-01 to 2024-12-31" in done.stdout
    rows = {cells[0]: cells[1:4] for line in done.stdout.splitlines() if len(cells := line.split()) > 5}
    assert rows["1"] == ["20", "1,000,000", "252,000,005"]
    assert rows["20"][:2] == ["1", "50,000"]


def test_market_prices_without_publishing_leaves_the_warehouse_alone(house: House) -> None:
    year = Window(first=date(2023, 1, 1), last=date(2023, 12, 31))
    report = asyncio.run(market_prices(None, year, lag_days=0, publish=False))
    assert "in the lake" in report.summary
    assert not house.warehouse.exists()
    assert not (house.lake / "published" / "price_measures").exists()
