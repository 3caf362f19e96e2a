"""Resumed by the work pool: a run with patience gives its node and its deployment's place back, and gets another."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Scheduled

from azure_batch_emulator.running_emulator import running_emulator
from prefect_azure_batch.service.diagnosis import lower
from tests.deadline import until
from tests.deployments.azure_batch.stage import Stage, create_pool, make_stage, tasks_of

HERE = Path(__file__).parent


@pytest.fixture
def stage(prefect_api: str) -> Iterator[Stage]:
    with running_emulator(speed=20, executor="processes") as emulator:
        create_pool(emulator)
        yield make_stage(prefect_api, emulator)


def deploy(stage: Stage) -> UUID:
    """One run at a time."""
    with stage.client() as client:
        return client.create_deployment(
            flow_id=client.create_flow_from_name("away-at-first"),
            name="patient",
            work_pool_name=stage.work_pool,
            entrypoint="on_a_node.py:away_at_first",
            pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(HERE)}}],
            job_variables={"env": {"ETL_PATIENCE_HOURS": "24", "PYTHONPATH": str(HERE.parents[2])}},
            concurrency_limit=1,
        )


def test_a_node_is_given_back_and_the_run_is_executed_on_another(stage: Stage) -> None:
    deployment = deploy(stage)
    with stage.worker():
        runs = []
        for _ in range(2):  # the second takes the place of the first, which waits
            runs.append(stage.start(deployment))
            waiting = stage.until(runs[-1], goes_on)
            assert waiting.state_name == "AwaitingRetry"
            assert waiting.state
            assert waiting.state.state_details.scheduled_time
            assert waiting.state.state_details.scheduled_time > datetime.now(UTC)
            until(lambda: exits(stage, runs[-1]) == [0], 60)
        for run in runs:
            with stage.client() as client:  # as an operator does who will not wait
                client.set_flow_run_state(run, Scheduled(scheduled_time=datetime.now(UTC)), force=True)
        for run in runs:
            assert stage.ended(run).state_name == "Completed"
            until(lambda: exits(stage, run) == [0, 0], 60)  # noqa: B023 - called at once


def goes_on(run: FlowRun) -> bool:
    return bool(run.state and "It goes on by itself at" in (run.state.message or ""))


def exits(stage: Stage, run: UUID) -> list[int | None]:
    """The exit codes of the run's tasks, once all have ended."""
    tasks = tasks_of(stage, run)
    ended = all(lower(task.state) == "completed" for task in tasks)
    return [info.exit_code for task in tasks if (info := task.execution_info)] if ended else []
