"""Every rule sees its fault: one change to the template, and what the check then says."""

from collections.abc import Mapping

import pytest

from tests.deployments.azure.arm.deployment import load_template
from tests.deployments.azure.arm.given import CASES, FULL, deployed
from tests.deployments.azure.arm.syntax import TemplateError
from tests.deployments.azure.checks import Check
from tests.deployments.azure.checks.dependencies import compute_comes_last, depends_on_what_it_names
from tests.deployments.azure.faults import Fault, hardening, machines, naming, network, order, roles, secrets
from tests.deployments.azure.faults.changes import Change, put, variable
from tests.deployments.azure.test_template import CHECKS

FROM_OUTSIDE = CASES["all at once, from outside"]
FAULTS: Mapping[str, Fault] = {
    **order.FAULTS,
    **naming.FAULTS,
    **network.FAULTS,
    **machines.FAULTS,
    **roles.FAULTS,
    **secrets.FAULTS,
    **hardening.FAULTS,
}


@pytest.mark.parametrize(("check", "change", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_seen(check: Check, change: Change, said: str) -> None:
    found = check(deployed(FULL, change))

    assert any(said in one for one in found), found


# What does not even come as far as to be checked.
REFUSED: Mapping[str, tuple[Change, str]] = {
    "a parameter that is not declared": (lambda t: t["parameters"].pop("vmSize"), "there is no parameter vmSize"),
    "a variable that is not declared": (lambda t: t["variables"].pop("natId"), "there is no variable natId"),
    "a loop's variable that is not declared": (
        lambda t: t["variables"]["copy"].pop(),
        "there is no variable vaultRules",
    ),
    "variables that need each other": (
        lambda t: t["variables"].update(unique="[variables('storageName')]"),
        "needs itself",
    ),
    "a role that is not in the table": (
        variable("grants", lambda grants: grants[0].update(role="AcrPuller")),
        "there is no 'AcrPuller'",
    ),
    "an answer of a resource in a name": (
        put("/pools", "name", "[reference(variables('batchId'), '2025-06-01').accountEndpoint]"),
        "where no resource is made yet",
    ),
    "a name of too few parts": (
        put("/secrets", "name", "secret"),
        "needs 2 names",
    ),
    "a function that is not there": (
        lambda t: t["variables"].update(unique="[uniqueText(resourceGroup().id)]"),
        "there is no function uniqueText",
    ),
    "a bracket that is missing": (
        lambda t: t["variables"].update(unique="[uniqueString(resourceGroup().id]"),
        "an expression ends too early",
    ),
}


@pytest.mark.parametrize(("change", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_fault_of_the_language_is_refused(change: Change, said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        deployed(FULL, change)


@pytest.mark.parametrize(
    ("resource", "dependency"),
    [(i, k) for i, one in enumerate(load_template()["resources"]) for k in range(len(one.get("dependsOn", [])))],
)
def test_every_dependency_is_needed(resource: int, dependency: int) -> None:
    """None can go unseen, so none is there for nothing: each one too many is time for which Azure waits."""
    deployment = deployed(FROM_OUTSIDE, lambda t: t["resources"][resource]["dependsOn"].pop(dependency))

    assert depends_on_what_it_names(deployment) or compute_comes_last(deployment)


@pytest.mark.parametrize("resource", range(len(load_template()["resources"])))
def test_no_resource_can_go_unseen(resource: int) -> None:
    deployment = deployed(FROM_OUTSIDE, lambda t: t["resources"].pop(resource))

    assert any(check(deployment) for check in CHECKS)


def test_every_check_has_a_fault() -> None:
    assert {check for check, _, _ in FAULTS.values()} == set(CHECKS)
