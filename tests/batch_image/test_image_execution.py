"""What a container of the built image does: as whom it runs, what it executes, and how soon."""

import sys
import uuid
from collections.abc import Iterator

import pytest

from batch_launcher.exit_codes import ExitCode
from tests.batch_image.containers import run
from tests.batch_image.image import buildah
from tests.deployments.azure_batch.batch_launcher.flow_runs import FlowRuns

pytestmark = pytest.mark.timeout(1800)  # for the first build, on a busy machine


@pytest.fixture
def container(image: str) -> Iterator[str]:
    name = buildah("from", "--pull-never", image).strip()
    yield name
    buildah("rm", name)


@pytest.mark.parametrize(("user", "who"), [("", "10001"), ("4711", "4711")])
def test_it_runs_as_no_root_and_as_whom_batch_says(container: str, user: str, who: str) -> None:
    done = run(container, "sh", "-c", "id -u; touch $HOME/mine && prefect version", user=user)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{who}\n")


def test_the_launcher_is_its_entry_point(container: str) -> None:
    assert run(container, "sh", "-c", "exit 42").returncode == 42
    assert run(container, "no-such-command").returncode == ExitCode.NOT_FOUND


def test_it_finds_its_programs_though_path_is_the_nodes(container: str) -> None:
    done = run(container, "python", "-c", "import prefect, sys; print(sys.prefix)", PATH="/usr/local/bin:/usr/bin:/bin")

    assert (done.returncode, done.stdout) == (0, "/opt/etl\n"), done.stderr


def test_odbc_finds_its_configuration(container: str) -> None:
    done = run(container, "python", "-c", "import pyodbc; print(pyodbc.drivers())")

    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr  # where Microsoft's repository is switched off


def test_a_flow_is_imported_soon_and_without_what_it_may_not_need(
    container: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run(container, "python", "-X", "importtime", "-c", "import flows.market_prices")
    times = {name.strip(): int(total) for _, total, name in (line.split("|") for line in _timed(done.stderr))}
    shares = ["flows.market_prices", "prefect", "tasks.datasets", "tasks.extract.http", "tasks.load", "polars"]
    with capsys.disabled():
        sys.stdout.write("\nthe import of a flow in the image:\n")
        sys.stdout.writelines(f"  {name:20}{times[name] / 1e6:6.2f} s\n" for name in shares)

    unwanted = {
        "azure",
        "starlette.applications",
        "fastapi",
        "uvicorn",
        "altair",
        "prefect_azure",
        "alembic",
        "prefect.server",
    }
    assert not unwanted & times.keys()


def _timed(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("import time:") and "self [us]" not in line]


def test_a_flow_run_is_executed_in_it(container: str, prefect_api: str) -> None:
    runs = FlowRuns(prefect_api)
    deployed = {
        "name": f"in-the-image-{uuid.uuid4()}",
        "flow_id": runs.post("/flows/", {"name": "market-prices"})["id"],
        "entrypoint": "flows.market_prices.market_prices",
    }
    deployment = runs.post("/deployments/", deployed)["id"]
    window = {"first": "2026-02-01", "last": "2026-02-28"}
    flow_run = runs.post(f"/deployments/{deployment}/create_flow_run", {"parameters": {"window": window}})["id"]
    runs.set_state(flow_run, "PENDING")
    done = run(container, PREFECT_API_URL=prefect_api, PREFECT__FLOW_RUN_ID=flow_run, ETL_SAMPLE_MARKET_CODES="20")

    assert done.returncode == 0, done.stderr
    assert runs.state(flow_run)[0] == "COMPLETED", done.stderr + done.stdout
    again = run(container, PREFECT_API_URL=prefect_api, PREFECT__FLOW_RUN_ID=flow_run)
    assert again.returncode == ExitCode.NOTHING_TO_EXECUTE
    assert "is Completed already" in again.stderr
