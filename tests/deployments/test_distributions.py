"""The wheels of the two distributions, each in an environment that has nothing of the project, as a stranger has it."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from azure_batch_emulator.running_emulator import Emulator, running_emulator
from tests.deadline import until
from tests.deployments.azure_batch.stage import Stage, create_pool
from tests.deployments.environments import Environment, build_wheel, make_environment
from tests.servers.ending import SHOWN, end

PROJECT = ("polars", "flows", "tasks", "deployments", "tests")
FLOW = """\
import importlib.util
import sys

from prefect import flow, get_run_logger


@flow
def where() -> None:
    found = [name for name in {modules} if importlib.util.find_spec(name)]
    get_run_logger().info("Here is %s, and of the project there is %s", sys.prefix, found)
"""
SAVE = """\
import sys
from prefect_azure_batch import AzureBatchCredentials
endpoint, account, key = sys.argv[1:]
AzureBatchCredentials(endpoint=endpoint, account_name=account, account_key=key).save("stranger")
"""
# What the emulator's first page shows.
THREE_LINES = Path(__file__).parent / "batch_emulator" / "test_three_lines.py"


@pytest.fixture(scope="module")
def work_pool(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("prefect-azure-batch")
    return make_environment(folder / "environment", str(build_wheel("deployments/azure_batch", folder)))


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("azure-batch-emulator")
    wheel = str(build_wheel("deployments/batch_emulator", folder))
    return make_environment(folder / "environment", wheel, "pytest", "azure-batch")


def test_the_work_pool_brings_nothing_of_the_project(work_pool: Environment) -> None:
    assert work_pool.finds(*PROJECT, "azure_batch_emulator", "prefect_azure_batch") == ["prefect_azure_batch"]


@pytest.mark.parametrize("command", ["set", "doctor", "storage"])
def test_the_work_pool_has_its_commands(work_pool: Environment, command: str) -> None:
    assert "--pool NAME" in work_pool.run("prefect-azure-batch", command, "--help").stdout


def test_the_launcher_becomes_its_command_without_prefect_and_azure(work_pool: Environment) -> None:
    done = work_pool.run("batch-launcher", "/bin/echo", "well", PYTHONPROFILEIMPORTTIME="1")
    imported = set(re.findall(r"\| +([\w.]+)$", done.stderr, re.MULTILINE))
    assert done.stdout == "well\n"
    assert "batch_launcher.launcher" in imported
    assert {name for name in imported if re.match(r"(prefect|azure)\b|prefect_", name)} == set()


def test_a_flow_run_completes_where_there_is_the_work_pool_alone(
    prefect_api: str, work_pool: Environment, tmp_path: Path
) -> None:
    prefect = {"PREFECT_API_URL": prefect_api}
    work_pool.run("prefect", "work-pool", "create", "--type", "azure-batch", "stranger", **prefect)
    with running_emulator(speed=60, executor="processes") as emulator:
        create_pool(emulator, nodes=1)
        work_pool.run("python", "-c", SAVE, emulator.endpoint, emulator.account, emulator.key, **prefect)
        path = work_pool.variables()["PATH"]
        settings = ["credentials=stranger", "pool_id=nodes", f"env.PATH={path}"]
        work_pool.run("prefect-azure-batch", "set", "--pool", "stranger", *settings, **prefect)
        stage = Stage(prefect_api, emulator, "stranger")
        run = stage.start(_deploy(stage, tmp_path))
        with _worker(work_pool, **prefect):
            found = stage.ended(run, seconds=300)
        assert found.state is not None
        assert found.state.name == "Completed", stage.states(run)
        words = f"Here is {work_pool.folder}, and of the project there is []"
        until(lambda: words in stage.logs(run), 30)  # logs come in after the state
        assert _command_line(emulator).startswith("python -m batch_launcher")


def test_the_emulator_brings_neither_prefect_nor_the_project(emulator: Environment) -> None:
    missing = (*PROJECT, "prefect", "prefect_azure_batch")
    assert emulator.finds(*missing, "azure_batch_emulator") == ["azure_batch_emulator"]


def test_the_emulator_has_its_command(emulator: Environment) -> None:
    assert "--executor" in emulator.run("azure-batch-emulator", "--help").stdout


def test_three_lines_are_a_test_on_an_account_of_its_own(emulator: Environment) -> None:
    shutil.copy(THREE_LINES, emulator.home)
    assert "2 passed" in emulator.run("pytest", "--strict-markers", "-W", "error").stdout


def _deploy(stage: Stage, folder: Path) -> UUID:
    (folder / "where.py").write_text(FLOW.format(modules=PROJECT))
    with stage.client() as client:
        return client.create_deployment(
            flow_id=client.create_flow_from_name("where"),
            name="where",
            work_pool_name=stage.work_pool,
            entrypoint="where.py:where",
            pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}],
        )


@contextmanager
def _worker(environment: Environment, **variables: str) -> Iterator[None]:
    hasty = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_INTEGRATIONS_AZURE_BATCH_WORKER_POLL_SECONDS": "0.5"}
    worker = environment.start("prefect", "worker", "start", "--pool", "stranger", **hasty, **SHOWN, **variables)
    try:
        yield
    finally:
        assert end(worker, 180)


def _command_line(emulator: Emulator) -> str:
    with emulator.client() as client:
        return next(task.command_line or "" for job in client.list_jobs() for task in client.list_tasks(job.id))
