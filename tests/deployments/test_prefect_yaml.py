"""What `prefect.yaml` deploys: the file, its flows, and what a Prefect server has of it after `prefect deploy`."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from prefect import get_client
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.states import Completed

from prefect_azure_batch import AzureBatchWorker
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from tests.beside import BESIDE
from tests.deadline import until
from tests.deployments.deployed import PROJECT, WORK_POOL, deploy, work_pool

SCHEMA = BESIDE / "prefect.yaml.schema.json"
FILE = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))
ENTRIES = {entry["name"]: entry for entry in FILE["deployments"]}
Deployed = dict[str, dict[str, Any]]


def test_it_is_what_the_schema_says() -> None:
    if not SCHEMA.exists():
        pytest.skip("the schema of prefect.yaml is not beside the project")
    jsonschema.validate(FILE, json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.filterwarnings("ignore:A flow named")  # each is loaded anew
def test_its_flow_takes_its_parameters(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    entry = ENTRIES[name]
    flow: Flow[..., object] = load_flow_from_entrypoint(entry["entrypoint"])
    given = entry.get("parameters", {})
    assert given.keys() <= flow.parameters.properties.keys()
    if "schedules" in entry or "triggers" in entry:
        flow.validate_parameters(given)  # nobody is there to give the others


@pytest.fixture(scope="module")
def deployed(prefect_api: str) -> Iterator[Deployed]:
    """What the server has, by name; removed at the end, for other tests use the server too."""
    work_pool(prefect_api)
    with httpx.Client(base_url=prefect_api, timeout=60) as api:
        deploy("--all", api=prefect_api)
        found = {
            d["name"]: d for d in api.post("/deployments/filter", json={}).json() if d["work_pool_name"] == WORK_POOL
        }
        yield found
        for deployment in found.values():
            api.delete(f"/deployments/{deployment['id']}")
        for automation in automations(prefect_api):
            api.delete(f"/automations/{automation['id']}")
        api.delete(f"/work_pools/{WORK_POOL}")


def automations(api: str) -> list[dict[str, Any]]:
    found = httpx.post(f"{api}/automations/filter", json={}, timeout=60).json()
    return [one for one in found if one["name"] == "data-quality-after-market-prices"]


def test_all_of_it_is_deployed(deployed: Deployed) -> None:
    assert deployed.keys() == ENTRIES.keys()
    for name, deployment in deployed.items():
        assert deployment["entrypoint"] == ENTRIES[name]["entrypoint"]
        assert deployment["tags"] == ENTRIES[name]["tags"]
        assert deployment["description"] == ENTRIES[name]["description"]
        assert not deployment["paused"]


def test_schedules_are_by_the_exchange_s_clock(deployed: Deployed) -> None:
    schedules = {
        n: [(s["schedule"]["cron"], s["schedule"]["timezone"]) for s in d["schedules"]] for n, d in deployed.items()
    }
    assert {name: found for name, found in schedules.items() if found} == {
        "weekly": [("0 6 * * 6", "America/New_York")],
        "daily": [("0 21 * * 1-5", "America/New_York")],
        "landing": [("0 7 * * 1-5", "America/New_York")],
        "nightly": [("30 2 * * *", "America/New_York")],
    }
    assert all(s["active"] for d in deployed.values() for s in d["schedules"])


def test_a_scheduled_run_waits_for_the_one_before(deployed: Deployed) -> None:
    limits = {n: d["global_concurrency_limit"]["limit"] for n, d in deployed.items() if d["global_concurrency_limit"]}
    assert limits == dict.fromkeys(("weekly", "daily", "years", "landing", "after-prices", "nightly"), 1)
    options = {"collision_strategy": "ENQUEUE", "grace_period_seconds": 7200}
    assert all(deployed[name]["concurrency_options"] == options for name in limits)


def test_forms_tell_of_each_parameter(deployed: Deployed) -> None:
    for name, deployment in deployed.items():
        for parameter, field in deployment["parameter_openapi_schema"]["properties"].items():
            assert field.get("description"), f"{name}: {parameter}"
    years = deployed["years"]["parameter_openapi_schema"]
    assert years["properties"]["first"]["format"] == "date"
    assert years["properties"]["catch_up"]["enum"] == ["all", "last", "none"]
    assert all(
        field.get("title") and field.get("description") for field in years["definitions"]["Pace"]["properties"].values()
    )


@pytest.mark.parametrize(("name", "slots"), [("weekly", 1), ("years", 1), ("window", 4), ("landing", 4)])
def test_size_is_that_of_the_work(deployed: Deployed, name: str, slots: int) -> None:
    found = configuration(deployed[name], "of-the-pool:1")
    assert found.required_slots == slots
    assert found.wall_clock_limit == (43200 if slots > 1 else 14400)


def test_a_run_that_is_resumable_goes_on_for_a_day(deployed: Deployed) -> None:
    for deployment in deployed.values():
        assert configuration(deployment, None).env["ETL_PATIENCE_HOURS"] == "24"


def test_the_image_is_the_work_pool_s_unless_one_was_built(deployed: Deployed, prefect_api: str, docker: Path) -> None:
    assert configuration(deployed["nightly"], "of-the-pool:1").image == "of-the-pool:1"
    assert configuration(deployed["nightly"], None).image is None
    deploy("--name", "nightly", api=prefect_api, ETL_IMAGE="example.azurecr.io/etl:7", PATH=path_with(docker))
    url = f"{prefect_api}/deployments/{deployed['nightly']['id']}"
    assert configuration(httpx.get(url, timeout=60).json(), "of-the-pool:1").image == "example.azurecr.io/etl:7"


def configuration(deployment: dict[str, Any], image: str | None) -> AzureBatchJobConfiguration:
    """As the worker of a work pool with this image has it."""
    template = AzureBatchWorker.get_default_base_job_template()
    template["variables"]["properties"]["image"]["default"] = image
    return asyncio.run(AzureBatchJobConfiguration.from_template_and_values(template, deployment["job_variables"]))


def test_data_quality_follows_scheduled_prices_but_no_window_of_a_backfill(
    deployed: Deployed, prefect_api: str
) -> None:
    assert len(automations(prefect_api)) == 1
    runs = {name: asyncio.run(complete(deployed[name]["id"])) for name in ("window", "nightly", "weekly", "daily")}
    # The server reads events in their order: after the last one all have been judged.
    until(lambda: runs["daily"] in followed(prefect_api), 60)
    assert followed(prefect_api) & set(runs.values()) == {runs["weekly"], runs["daily"]}
    asked = {"deployments": {"id": {"any_": [deployed["after-prices"]["id"]]}}}

    def judged() -> set[str]:
        found = httpx.post(f"{prefect_api}/flow_runs/filter", json=asked, timeout=60).json()
        return {run["parameters"]["after"] for run in found}

    until(lambda: judged() == {runs["weekly"], runs["daily"]}, 60)


async def complete(deployment: str) -> str:
    """The resource of a run that ended well."""
    async with get_client() as client:
        run = await client.create_flow_run_from_deployment(UUID(deployment), parameters={})
        await client.set_flow_run_state(run.id, Completed(), force=True)
    return f"prefect.flow-run.{run.id}"


def followed(api: str) -> set[str]:
    """The runs whose end was followed by one of data-quality."""
    asked = {"filter": {"event": {"name": ["prefect.automation.triggered"]}}, "limit": 50}
    found = httpx.post(f"{api}/events/filter", json=asked, timeout=60).json()["events"]
    return {event["payload"]["triggering_event"]["resource"]["prefect.resource.id"] for event in found}


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """The folder of a `docker` that notes how it was called, and has something to say."""
    (tmp_path / "docker").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\necho sha256:0123\n')
    (tmp_path / "docker").chmod(0o755)
    return tmp_path


def path_with(folder: Path) -> str:
    return f"{folder}:{Path(sys.executable).parent}:/usr/bin:/bin"


def image(verb: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROJECT / "batch_image" / "image.py"), verb]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_an_image_is_built_and_pushed_by_its_name(docker: Path) -> None:
    built = image("build", PATH=path_with(docker), ETL_IMAGE="example.azurecr.io/etl:7")
    assert (built.returncode, built.stdout) == (0, "example.azurecr.io/etl:7")
    assert image("push", PATH=path_with(docker), ETL_IMAGE="example.azurecr.io/etl:7").returncode == 0
    build, push = (docker / "calls").read_text().splitlines()
    assert build.startswith("build ")
    assert "-f batch_image/Dockerfile -t example.azurecr.io/etl:7" in build
    assert push == "push --quiet example.azurecr.io/etl:7"


def test_no_name_no_image(docker: Path) -> None:
    for verb in ("build", "push"):
        done = image(verb, PATH=path_with(docker))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (docker / "calls").exists()


@pytest.mark.parametrize("verb", ["build", "push"])
def test_a_machine_without_docker_is_told(tmp_path: Path, verb: str) -> None:
    done = image(verb, PATH=str(tmp_path), ETL_IMAGE="example.azurecr.io/etl:7")
    assert done.returncode == 1
    assert f"neither docker nor podman is here to {verb} it" in done.stderr


def test_an_image_that_does_not_build_stops_the_deployment(docker: Path) -> None:
    (docker / "docker").write_text("#!/bin/sh\necho 'no space left' >&2\nexit 7\n")
    done = image("build", PATH=path_with(docker), ETL_IMAGE="example.azurecr.io/etl:7")
    assert (done.returncode, done.stdout) == (7, "")
    assert "no space left" in done.stderr
