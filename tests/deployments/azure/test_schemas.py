"""Resources are what Azure's own schemas describe."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.deployments.azure import container_groups, schemas
from tests.deployments.azure.arm.deployment import load_template
from tests.deployments.azure.arm.given import CASES, FULL, deployed

# Azure/azure-resource-manager-schemas describes these in files that are not among ours.
ELSEWHERE = {"Microsoft.ContainerInstance/containerGroups", "Microsoft.Insights/diagnosticSettings"}

_CONTAINER = {
    "name": "worker",
    "properties": {"image": "x", "resources": {"requests": {"cpu": 1, "memoryInGB": 1}}},
}

needs_schemas = pytest.mark.skipif(
    not schemas.FOLDER.is_dir(), reason=f"the schemas of Azure's resources are not there: {schemas.FOLDER.name}"
)


@needs_schemas
@pytest.mark.parametrize("given", CASES.values(), ids=CASES.keys())
def test_resources_are_as_their_schemas_say(given: Mapping[str, Any]) -> None:
    found = {resource.label: schemas.errors(resource) for resource in deployed(given).active}

    assert {label: errors for label, errors in found.items() if errors} == {}


@needs_schemas
def test_every_type_has_a_schema_in_its_version() -> None:
    without = {resource.type for resource in deployed(FULL).active if schemas.errors(resource) is None}

    assert without == ELSEWHERE


@needs_schemas
def test_the_template_is_as_its_schema_says() -> None:
    assert schemas.template_errors(load_template()) == []


@needs_schemas
@pytest.mark.parametrize(
    ("kind", "path", "value", "said"),
    [
        ("Microsoft.Batch/batchAccounts", "allowedAuthenticationModes", ["Entra"], "'Entra' is not one of"),
        ("Microsoft.Batch/batchAccounts", "publicNetworkAcess", "Disabled", "'publicNetworkAcess' was unexpected"),
        ("Microsoft.KeyVault/vaults", "softDeleteRetentionInDays", "seven", "'seven' is not of type 'integer'"),
        ("Microsoft.Storage/storageAccounts", "minimumTlsVersion", "1.2", "'1.2' is not one of"),
        ("Microsoft.Sql/servers", "administrators", {"principal": "x"}, "'principal' was unexpected"),
    ],
)
def test_the_schemas_see_faults(kind: str, path: str, value: object, said: str) -> None:
    def change(template: dict[str, Any]) -> None:
        resource = next(r for r in template["resources"] if r["type"] == kind)
        resource["properties"][path] = value

    found = schemas.errors(deployed(FULL, change).one(kind))

    assert found
    assert said in found[0]


def test_the_worker_is_as_azures_client_says() -> None:
    group = deployed(FULL).one("Microsoft.ContainerInstance/containerGroups")

    assert container_groups.problems(group.body) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"subnetIDs": []}, "/properties/subnetIDs is not known"),
        ({"restartPolicy": 1}, "/properties/restartPolicy is a int, not a str"),
        ({"containers": [{**_CONTAINER, "image": "x"}]}, "/properties/containers/0/image is not known"),
        ({"containers": [{"properties": _CONTAINER["properties"]}]}, "/properties/containers/0/name is missing"),
        ({"containers": {"name": "worker"}}, "/properties/containers is a dict, not a [Container]"),
    ],
)
def test_azures_client_sees_faults(change: Mapping[str, Any], said: str) -> None:
    group = deployed(FULL).one("Microsoft.ContainerInstance/containerGroups")

    assert container_groups.problems({**group.body, "properties": {**group.properties, **change}}) == [said]


def test_diagnostics_go_to_the_workspace() -> None:
    """https://learn.microsoft.com/azure/templates/microsoft.insights/diagnosticsettings"""
    deployment = deployed(FULL)
    workspace = deployment.one("Microsoft.OperationalInsights/workspaces")
    settings = deployment.of_type("Microsoft.Insights/diagnosticSettings")

    assert {setting.properties["workspaceId"] for setting in settings} == {workspace.id}
    assert {log["categoryGroup"] for s in settings for log in s.properties["logs"]} == {"allLogs", "audit"}
    assert all(setting.properties.keys() == {"workspaceId", "logs"} for setting in settings)
