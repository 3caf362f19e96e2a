"""What the deployment says is what the rest of the system takes."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from batch_launcher.secret_references import find_references
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.credentials import AzureBatchCredentials
from tasks.database.odbc import keywords
from tasks.lake.azure.account import find_account
from tasks.lake.azure.credentials import LakeCredentials
from tasks.settings import Settings
from tests.deployments.azure.arm.deployment import TEMPLATE
from tests.deployments.azure.arm.given import CASES, FULL, REQUIRED, deployed
from tests.deployments.azure.arm.resources import Resource, told

ROOT = Path(TEMPLATE).parents[2]


def _environment() -> Mapping[str, str]:
    environment: Mapping[str, str] = deployed(FULL).outputs["jobVariables"]["env"]
    return environment


def _worker(given: Mapping[str, Any]) -> Mapping[str, Any]:
    group: Resource = deployed(given).one("Microsoft.ContainerInstance/containerGroups")
    container: Mapping[str, Any] = group.properties["containers"][0]["properties"]
    return container


def test_the_work_pool_takes_the_job_variables() -> None:
    outputs = deployed(FULL).outputs
    variables = outputs["jobVariables"]
    credentials = AzureBatchCredentials(endpoint=outputs["batchEndpoint"])
    configuration = AzureBatchJobConfiguration(credentials=credentials, **variables)

    assert configuration.pool_id == "flows-2026-11-22"
    assert configuration.image == f"{outputs['registry']}/etl:2026-11-22"
    assert configuration.secrets.keys() == {"PREFECT_API_KEY"}
    assert variables.keys() <= AzureBatchJobConfiguration.model_fields.keys()


@pytest.mark.parametrize("source", ["outputs", "job variables"])
def test_settings_are_the_systems_own(source: str) -> None:
    values = deployed(FULL).outputs if source == "outputs" else _environment()
    fields = {name.removeprefix("ETL_").lower(): value for name, value in values.items() if name.startswith("ETL_")}
    settings = Settings.model_validate(fields)

    assert fields.keys() == {"lake_url", "warehouse_url", "key_vault_url"}
    assert find_account(settings.lake_url, LakeCredentials()).url == values["ETL_LAKE_URL"]
    assert re.fullmatch(r"https://[a-z0-9-]+\.vault\.azure\.net", values["ETL_KEY_VAULT_URL"])


def test_the_warehouse_is_opened_by_an_identity() -> None:
    """On the nodes by theirs, which is named, for there it is one of several possible."""
    nodes = sa.make_url(_environment()["ETL_WAREHOUSE_URL"])
    operators = sa.make_url(deployed(FULL).outputs["ETL_WAREHOUSE_URL"])
    options = keywords.options(nodes, keywords.SQL_SERVER, "fast")
    client, options = options.taken("client_id", "")

    assert keywords.wants_token(nodes, options)
    assert client == _environment()["AZURE_CLIENT_ID"]
    assert operators == nodes.set(query={})


def test_nodes_and_worker_each_take_their_own_identity() -> None:
    pool = deployed(FULL).one("Microsoft.Batch/batchAccounts/pools")
    (nodes,) = pool.body["identity"]["userAssignedIdentities"]
    (worker,) = (
        deployed(FULL).one("Microsoft.ContainerInstance/containerGroups").body["identity"]["userAssignedIdentities"]
    )
    environment = {one["name"]: one["value"] for one in _worker(FULL)["environmentVariables"]}

    assert _environment()["AZURE_CLIENT_ID"] == told(nodes)["clientId"]
    assert environment["AZURE_CLIENT_ID"] == told(worker)["clientId"]
    assert nodes != worker


def test_the_worker_resolves_its_secret_through_the_launcher() -> None:
    deployment = deployed(FULL)
    environment = {one["name"]: one["value"] for one in _worker(FULL)["environmentVariables"]}
    (reference,) = find_references(environment)

    secret, _ = deployment.of_type("Microsoft.KeyVault/vaults/secrets")
    assert secret.name == f"{deployment.one('Microsoft.KeyVault/vaults').name}/{reference.name}"
    assert reference.vault == deployment.outputs["ETL_KEY_VAULT_URL"]
    assert reference.variable == "PREFECT_API_KEY"
    assert environment["PREFECT_API_URL"] == FULL["prefectApiUrl"]


def test_no_secret_is_asked_for_where_prefect_needs_none() -> None:
    given = CASES["a Prefect server without a secret"]

    assert [one["name"] for one in _worker(given)["environmentVariables"]] == ["PREFECT_API_URL", "AZURE_CLIENT_ID"]
    assert deployed(given).outputs["jobVariables"]["secrets"] == {}


def test_the_workers_command_begins_with_the_entry_point_that_it_replaces() -> None:
    dockerfile = (ROOT / "batch_image" / "Dockerfile").read_text(encoding="utf-8")
    (entry_point,) = re.findall(r"^ENTRYPOINT (\[.*\])$", dockerfile, re.MULTILINE)
    start, command = json.loads(entry_point), _worker(FULL)["command"]

    assert command[: len(start)] == start
    assert command[len(start) : len(start) + 3] == ["prefect", "worker", "start"]


def test_every_deployment_fits_on_a_node() -> None:
    """A task that takes more slots than a node has waits for ever, and the pool grows for it."""
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    slots = deployed(FULL).one("Microsoft.Batch/batchAccounts/pools").properties["taskSlotsPerNode"]

    taken = [one["work_pool"]["job_variables"].get("required_slots", 1) for one in deployments]
    assert taken
    assert max(taken) <= slots


def test_the_token_of_the_source_is_a_setting() -> None:
    _, token = deployed(FULL).of_type("Microsoft.KeyVault/vaults/secrets")

    field = token.name.rpartition("/")[2].removeprefix("etl-").replace("-", "_")
    assert field in Settings.model_fields


def test_no_pool_and_no_image_are_told_before_there_are_any() -> None:
    variables = deployed(REQUIRED).outputs["jobVariables"]

    assert (variables["pool_id"], variables["image"]) == ("", "")
