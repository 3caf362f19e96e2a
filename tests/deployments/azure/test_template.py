"""The template holds to every rule, whichever way it is called."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.deployments.azure.arm.deployment import Deployment
from tests.deployments.azure.arm.given import CASES, FULL, REQUIRED, deployed
from tests.deployments.azure.arm.resources import SECRET
from tests.deployments.azure.arm.syntax import TemplateError
from tests.deployments.azure.checks import Check, dependencies, hardening, machines, names, network, roles, secrets

CHECKS: tuple[Check, ...] = (
    dependencies.names_known_resources,
    dependencies.depends_on_what_it_names,
    dependencies.without_cycle,
    dependencies.compute_comes_last,
    names.unique,
    names.allowed,
    names.versions,
    names.declared_and_used,
    network.subnets_fit,
    network.every_service_has_its_endpoints,
    network.zones_are_linked,
    network.closed_to_all_but_operators,
    machines.nobody_reaches_them,
    machines.they_stand_in_their_subnets,
    machines.the_only_way_out_is_the_gateway,
    machines.they_pull_by_identity,
    machines.they_run_the_same_image,
    machines.nodes_have_the_agent_of_their_system,
    machines.formula_fits,
    roles.documented,
    roles.least,
    secrets.parameters_are_secure,
    secrets.secrets_stay_inside,
    secrets.nothing_is_written_down,
    hardening.settings_are_hard,
    hardening.operators_administer_the_database,
)


@pytest.fixture(scope="module", params=CASES.keys())
def deployment(request: pytest.FixtureRequest) -> Deployment:
    return deployed(CASES[request.param])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.__module__.rpartition('.')[2]}.{check.__name__}")
def test_the_template_holds(check: Check, deployment: Deployment) -> None:
    assert check(deployment) == []


def test_what_is_made_without_and_with_an_image() -> None:
    """Pool and worker wait for an image; all else is the same, so that the second call changes nothing else."""
    without, complete = deployed(REQUIRED), deployed({**REQUIRED, "imageTag": "1"})

    more = {resource.type for resource in complete.active} - {resource.type for resource in without.active}
    assert more == {"Microsoft.Batch/batchAccounts/pools", "Microsoft.ContainerInstance/containerGroups"}
    assert {resource.id: resource.body for resource in without.active}.items() <= {
        resource.id: resource.body for resource in complete.active
    }.items()


def test_another_image_is_another_pool() -> None:
    """Batch refuses another image for a pool that has nodes, and keeps the old one for the runs that are on it."""
    one, other = deployed({**FULL, "imageTag": "1.0"}), deployed({**FULL, "imageTag": "1.1"})
    kind = "Microsoft.Batch/batchAccounts/pools"

    assert one.one(kind).name.endswith("/flows-1-0")
    assert {resource.id for resource in other.active} - {resource.id for resource in one.active} == {other.one(kind).id}
    assert other.outputs["jobVariables"]["pool_id"] == "flows-1-1"


def test_the_pool_can_be_left_alone() -> None:
    all_of_it, rest = deployed(FULL), deployed({**FULL, "makePool": False})

    assert {one.label for one in all_of_it.active} - {one.label for one in rest.active} == {
        all_of_it.one("Microsoft.Batch/batchAccounts/pools").label
    }
    assert rest.outputs == all_of_it.outputs


def test_secrets_that_are_not_given_are_left_alone() -> None:
    kind = "Microsoft.KeyVault/vaults/secrets"

    found = {one.name.rpartition("/")[2]: one.properties for one in deployed(FULL).of_type(kind)}
    assert found == {"prefect-api-key": {"value": SECRET}, "etl-source-token": {"value": SECRET}}
    assert deployed(REQUIRED).of_type(kind) == []


def test_containers_for_every_state_and_for_ad_hoc_runs() -> None:
    containers = deployed(REQUIRED).of_type("Microsoft.Storage/storageAccounts/blobServices/containers")

    assert [container.name.rpartition("/")[2] for container in containers] == [
        "landing", "raw", "curated", "published", "quarantine", "bundles", "tasklogs",
    ]  # fmt: skip


def test_no_rule_of_the_storage_account_deletes_what_the_lake_holds() -> None:
    """A snapshot is in use until housekeeping says otherwise, however old its blobs are."""
    policy = deployed(REQUIRED).one("Microsoft.Storage/storageAccounts/managementPolicies")
    deleted = [
        prefix
        for rule in policy.properties["policy"]["rules"]
        if "delete" in rule["definition"]["actions"]["baseBlob"]
        for prefix in rule["definition"]["filters"]["prefixMatch"]
    ]

    assert deleted == ["tasklogs/", "bundles/"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "the parameter prefectApiUrl has no value"),
        ({**REQUIRED, "nmae": "etl"}, "there is no parameter nmae"),
        ({**REQUIRED, "name": "elevenchars"}, "'elevenchars' is not possible for the parameter name"),
        ({**REQUIRED, "slotsPerNode": 0}, "0 is not possible for the parameter slotsPerNode"),
        ({**REQUIRED, "operatorsType": "Robot"}, "not among the allowed values of the parameter operatorsType"),
    ],
)
def test_parameters_that_azure_would_refuse(given: Mapping[str, Any], said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        deployed(given)
