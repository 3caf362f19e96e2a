"""Faults of names and versions."""

from collections.abc import Mapping

from tests.deployments.azure.checks import names
from tests.deployments.azure.faults import Fault
from tests.deployments.azure.faults.changes import one, output, text

FAULTS: Mapping[str, Fault] = {
    "a pool named by the tag as it is": (
        names.allowed,
        lambda t: t["parameters"]["poolName"].update(defaultValue="flows-1.0"),
        "pools etl",
    ),
    "a resource twice": (
        names.unique,
        lambda t: t["resources"].append(one(t, "/workspaces")),
        "2 resources have the id",
    ),
    "a name too long": (
        names.allowed,
        lambda t: t["variables"].update(
            vaultName="[format('{0}-key-vault-{1}', parameters('name'), variables('unique'))]"
        ),
        "is not a name that Azure allows",
    ),
    "a name with a hyphen": (
        names.allowed,
        lambda t: t["variables"].update(storageName="[format('{0}-{1}', parameters('name'), variables('unique'))]"),
        "is not a name that Azure allows",
    ),
    "another API version": (
        names.versions,
        lambda t: one(t, "/pools").update(apiVersion="2024-07-01"),
        "Microsoft.Batch/batchAccounts/pools in version 2024-07-01, not 2025-06-01",
    ),
    "another API version in a reference": (
        names.versions,
        text("/containerGroups", "'2025-02-01'", "'2020-08-01'"),
        "Microsoft.OperationalInsights/workspaces in version 2020-08-01",
    ),
    "another API version in an output": (
        names.versions,
        output("endpoint", "[reference(variables('batchId'), '2024-07-01').accountEndpoint]"),
        "Microsoft.Batch/batchAccounts in version 2024-07-01, not 2025-06-01",
    ),
    "a type nobody looked up": (
        names.versions,
        lambda t: one(t, "/natGateways").update(type="Microsoft.Other/natGateways"),
        "Microsoft.Other/natGateways in version 2024-07-01, not None",
    ),
    "a parameter nobody uses": (
        names.declared_and_used,
        lambda t: t["parameters"].update(
            colour={"type": "string", "defaultValue": "", "metadata": {"description": "x"}}
        ),
        "the parameter colour is not used",
    ),
    "a variable nobody uses": (
        names.declared_and_used,
        lambda t: t["variables"].update(colour="blue"),
        "the variable colour is not used",
    ),
    "a parameter without a description": (
        names.declared_and_used,
        lambda t: t["parameters"]["vmSize"].pop("metadata"),
        "the parameter vmSize has no description",
    ),
}
