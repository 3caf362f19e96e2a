"""A release, and the next one: on a Prefect server, with an `az` and a `docker` that behave as Azure has them."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.azure.release import main
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from tests.deployments.azure.arm.given import FULL, deployed

WORK_POOL = "released"
# What Azure CLI does here, by what it is asked for; all that it was asked for is noted.
AZ = """#!{python}
import json, pathlib, sys
here, words = pathlib.Path({folder!r}), sys.argv[1:]
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
tags = json.loads((here / "tags").read_text())
if words[:3] == ["acr", "repository", "show"]:
    tag = words[words.index("--image") + 1].rpartition(":")[2]
    if tag not in tags:
        sys.exit("ERROR: repository etl:" + tag + " is not found.")
    print(json.dumps(tags[tag]))
elif words[:3] == ["deployment", "group", "show"]:
    print((here / "deployed").read_text())
elif words[:3] == ["deployment", "group", "create"]:
    given = json.loads(words[words.index("--parameters") + 1])
    deployed = json.loads((here / "deployed").read_text())
    deployed["parameters"] |= given
    variables = deployed["outputs"]["jobVariables"]["value"]
    variables["pool_id"] = "flows-" + given["imageTag"]["value"]
    variables["image"] = "registry.azurecr.io/etl@" + given["imageDigest"]["value"]
    (here / "deployed").write_text(json.dumps(deployed))
    print(json.dumps(deployed))
elif words[:2] != ["acr", "login"]:
    sys.exit("what is " + " ".join(words))
"""
DOCKER = """#!{python}
import json, pathlib, sys
here, words = pathlib.Path({folder!r}), sys.argv[1:]
if words[0] == "push":
    tags = json.loads((here / "tags").read_text())
    tag = words[-1].rpartition(":")[2]
    (here / "tags").write_text(json.dumps(tags | {{tag: "sha256:" + tag * 64}}))
(here / "images").open("a").write(" ".join([words[0], words[-1] if words[0] == "push" else ""]) + "\\n")
"""


@pytest.fixture
def azure(tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with what Azure has, after the template was deployed without an image."""
    for name, text in (("az", AZ), ("docker", DOCKER)):
        (tmp_path / name).write_text(text.format(python=sys.executable, folder=str(tmp_path)))
        (tmp_path / name).chmod(0o755)
    told = {
        "registry": "registry.azurecr.io",
        "batchEndpoint": "https://account.invalid",
        "jobVariables": {"pool_id": "", "image": "", "env": {"ETL_LAKE_URL": "https://lake.blob.core.windows.net"}},
    }
    given = {"workPool": WORK_POOL, "prefectApiUrl": prefect_api, "vmSize": "Standard_D8ds_v5", "poolName": "flows-"}
    properties = {
        "parameters": {**_values(given), "prefectSecret": {"type": "SecureString"}},
        "outputs": _values(told),
    }
    (tmp_path / "deployed").write_text(json.dumps(properties))
    (tmp_path / "tags").write_text("{}")
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    monkeypatch.setenv("COLUMNS", "4000")
    monkeypatch.setenv("ETL_IMAGE", "registry.azurecr.io/etl:left-over")  # from a shell that has built by hand
    yield tmp_path
    with httpx.Client(base_url=prefect_api, timeout=60) as api:
        for one in _deployments(api):
            api.delete(f"/deployments/{one['id']}")
        for one in api.post("/automations/filter", json={}).json():
            api.delete(f"/automations/{one['id']}")
        api.delete(f"/work_pools/{WORK_POOL}")


def _values(told: dict[str, Any]) -> dict[str, Any]:
    return {name: {"value": value} for name, value in told.items()}


def _deployments(api: httpx.Client) -> list[dict[str, Any]]:
    asked = {"work_pools": {"name": {"any_": [WORK_POOL]}}}
    found: list[dict[str, Any]] = api.post("/deployments/filter", json=asked).json()
    return found


def _defaults(api: httpx.Client) -> dict[str, Any]:
    properties = api.get(f"/work_pools/{WORK_POOL}").json()["base_job_template"]["variables"]["properties"]
    return {name: properties[name].get("default") for name in ("pool_id", "image", "env")}


def _created(azure: Path) -> list[dict[str, Any]]:
    """The parameters of each deployment of the template."""
    calls = [json.loads(line) for line in (azure / "calls").read_text().splitlines()]
    return [json.loads(one[one.index("--parameters") + 1]) for one in calls if one[2] == "create"]


def test_an_upgrade_runs_the_new_image_everywhere(
    azure: Path, prefect_api: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with httpx.Client(base_url=prefect_api, timeout=60) as api:
        main(["--group", "etl", "--tag", "1"])
        first = _defaults(api)
        main(["--group", "etl", "--tag", "2"])
        second, deployments = _defaults(api), _deployments(api)

    assert first["image"] == f"registry.azurecr.io/etl@sha256:{'1' * 64}"
    assert (second["pool_id"], second["image"]) == ("flows-2", f"registry.azurecr.io/etl@sha256:{'2' * 64}")
    assert len(deployments) == 8
    for one in deployments:
        assert not one["job_variables"].get("image")
    assert (azure / "images").read_text().split("\n")[:-1] == [
        *("build ", "push registry.azurecr.io/etl:1", "build ", "push registry.azurecr.io/etl:2"),
    ]
    told = capfd.readouterr().out
    assert "8, all in the image of the work pool" in told
    # What was chosen stays; what follows from the image, and what Azure does not tell, is not given again.
    assert _created(azure)[1] == _values(
        {
            "workPool": WORK_POOL,
            "prefectApiUrl": prefect_api,
            "vmSize": "Standard_D8ds_v5",
            "imageTag": "2",
            "imageDigest": f"sha256:{'2' * 64}",
        }
    )


def test_a_tag_never_means_two_images_and_what_azure_refuses_leaves_prefect_as_it_was(
    azure: Path, prefect_api: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (azure / "tags").write_text(json.dumps({"7": "sha256:" + "a" * 64}))
    refusing = (azure / "az").read_text().replace("given = json", 'sys.exit("QuotaExceeded: 4 cores") #')
    (azure / "az").write_text(refusing)
    code = main(["--group", "etl", "--tag", "7"])

    assert code == 1
    said = capfd.readouterr()
    assert "it is not built again" in said.out
    assert not (azure / "images").exists()
    assert _created(azure)[0]["imageDigest"] == {"value": "sha256:" + "a" * 64}
    assert "`az deployment group create` failed:\nQuotaExceeded: 4 cores" in said.err
    assert httpx.get(f"{prefect_api}/work_pools/{WORK_POOL}", timeout=60).status_code == 404


def test_a_machine_without_azure_cli_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--group", "etl", "--tag", "1"]) == 1
    assert "az login" in capfd.readouterr().err


def test_the_template_asks_for_the_image_by_its_digest() -> None:
    digest = "sha256:" + "0" * 64
    given = deployed({**FULL, "imageDigest": digest})
    variables = given.outputs["jobVariables"]
    pool = given.one("Microsoft.Batch/batchAccounts/pools").properties
    machine = pool["deploymentConfiguration"]["virtualMachineConfiguration"]

    assert variables["image"].endswith(f"/etl@{digest}")
    assert machine["containerConfiguration"]["containerImageNames"] == [variables["image"]]
    assert variables["pool_id"] == "flows-2026-11-22"
    assert AzureBatchJobConfiguration(**variables).image == variables["image"]
