"""Faults of who may do what."""

from collections.abc import Mapping

from tests.deployments.azure.checks import roles
from tests.deployments.azure.faults import Fault
from tests.deployments.azure.faults.changes import put, variable

FAULTS: Mapping[str, Fault] = {
    "another role's id": (
        roles.documented,
        variable("roles", lambda table: table.update({"AcrPull": table["AcrPush"]})),
        "the role AcrPull has the id 8311e382",
    ),
    "a role that nobody looked up": (
        roles.documented,
        variable("roles", lambda table: table.update({"Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"})),
        "the role Owner has the id 8e3af657-a8ff-443c-a75c-2fe8c4bcb635, documented is None",
    ),
    "ids of two roles swapped": (
        roles.least,
        variable("roles", lambda table: table.update({"AcrPull": table["AcrPush"], "AcrPush": table["AcrPull"]})),
        "nodes has AcrPush on registries, and does not need it",
    ),
    "nodes that write bundles": (
        roles.least,
        variable("grants", lambda grants: grants[8].update(role="Storage Blob Data Contributor")),
        "nodes has Storage Blob Data Contributor on bundles, and does not need it",
    ),
    "nodes that make tasks": (
        roles.least,
        variable("grants", lambda grants: grants[11].update(to="[variables('nodesId')]")),
        "worker lacks Azure Batch Data Contributor on batchAccounts",
    ),
    "a role on the whole group": (
        roles.least,
        put("/roleAssignments", "scope", None),
        "on the whole resource group, and does not need it",
    ),
    "a principal of the wrong kind": (
        roles.least,
        put("/roleAssignments", "properties/principalType", "Group"),
        "says Group, and it is a ServicePrincipal",
    ),
}
