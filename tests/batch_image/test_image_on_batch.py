"""A flow run in the built image, the way it goes in production: deployment, worker, Batch task, container, launcher."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from azure_batch_emulator.running_emulator import running_emulator
from tests.deadline import until
from tests.deployments.azure_batch.stage import Stage, create_pool, make_stage

pytestmark = pytest.mark.timeout(1800)  # for the first build of the image, on a busy machine
PULL = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text())["pull"]
ENVIRONMENT = {
    "ETL_SAMPLE_MARKET_CODES": "20",
    "ETL_LAKE_URL": "/tmp/etl/lake",
    "ETL_WAREHOUSE_URL": "sqlite:////tmp/etl/warehouse.sqlite",
    "ETL_DASHBOARD_PATH": "",
}


@pytest.fixture
def stage(image: str, prefect_api: str) -> Iterator[Stage]:
    with running_emulator(executor="buildah", speed=20) as emulator:
        create_pool(emulator, containers=True, nodes=1)
        yield make_stage(prefect_api, emulator, image=image, launcher=None, command=None, env=ENVIRONMENT)


def test_a_flow_run_is_executed_in_it_by_the_work_pool(stage: Stage) -> None:
    with stage.client() as client:
        deployment = client.create_deployment(
            flow_id=client.create_flow_from_name("market-prices"),
            name=f"in-the-image-{uuid4().hex[:6]}",
            work_pool_name=stage.work_pool,
            entrypoint="flows/market_prices.py:market_prices",
            pull_steps=PULL,
        )
    window = {"first": "2024-06-03", "last": "2024-06-14"}
    with stage.worker():
        run = stage.start(deployment, window=window, lag_days=0)
        found = stage.ended(run, seconds=300)
    assert found.state is not None
    assert found.state.is_completed(), "\n".join(stage.logs(run))
    assert until(lambda: exit_codes(stage), 60) == [0]
    assert any("rows inserted" in line for line in stage.logs(run))


def exit_codes(stage: Stage) -> list[int]:
    """What the tasks that have ended have ended with."""
    tasks = [task for job in stage.emulator.admin("state")["jobs"] for task in job["tasks"]]
    return [task["executionInfo"]["exitCode"] for task in tasks if task["state"] == "completed"]
