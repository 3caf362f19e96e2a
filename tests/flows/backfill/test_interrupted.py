"""Ctrl-C of a backfill: the children that it has started are cancelled, those of others go on, and both are named."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import arun_deployment

from flows.backfill import _key
from flows.market_prices import market_prices
from tasks.window import Window
from tests.deadline import until
from tests.flows.conftest import House

ROOT = Path(__file__).parents[3]
DEPLOYMENT = "market-prices/interrupted"
WINDOWS = [Window(first=date(y, 1, 1), last=date(y, 12, 31)) for y in (2022, 2023)]
CODES = ["AAPL.US"]


async def runs() -> dict[str, FlowRun]:
    """By their names."""
    async with get_client() as client:
        found = await client.read_deployment_by_name(DEPLOYMENT)
        mine = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[found.id]))
        return {run.name: run for run in await client.read_flow_runs(flow_run_filter=mine)}


@pytest.fixture
def joined(house: House) -> Iterator[str]:
    """The name of the first window's run, which somebody else has started; nobody executes those of its deployment."""
    name = _key(WINDOWS[0], CODES, None)

    async def begin() -> None:
        await (await market_prices.ato_deployment("interrupted")).aapply()
        await arun_deployment(DEPLOYMENT, flow_run_name=name, timeout=0, idempotency_key=f"{name}/1")

    async def remove() -> None:
        async with get_client() as client:
            for run in (await runs()).values():
                await client.delete_flow_run(run.id)
            await client.delete_deployment((await client.read_deployment_by_name(DEPLOYMENT)).id)

    asyncio.run(begin())
    yield name
    asyncio.run(remove())


def test_children_are_cancelled_and_named(joined: str, prefect_api: str, tmp_path: Path) -> None:
    started = _key(WINDOWS[1], CODES, None)
    span = ["--first", str(WINDOWS[0].first), "--last", str(WINDOWS[-1].last)]
    command = [sys.executable, "-m", "flows.backfill", *CODES, *span, "--at-once", "2", "--deployment", DEPLOYMENT]
    environment = {**os.environ, "PREFECT_API_URL": prefect_api}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        until(lambda: started in asyncio.run(runs()) or process.poll() is not None, 240, every=0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130, log.read_text()
    finally:
        process.kill()
    states = {name: run.state_type for name, run in asyncio.run(runs()).items()}
    told = " ".join(log.read_text().split())
    assert states == {joined: StateType.SCHEDULED, started: StateType.CANCELLED}, told
    assert f"Its child runs are cancelled, what they have stored stays: {started}" in told
    assert f"Runs that somebody else has started go on: {joined}" in told
    assert told.endswith("Interrupted. Start it again with the same arguments: it does what is missing.")
    assert "Traceback" not in told
