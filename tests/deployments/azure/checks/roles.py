"""Who may do what: documented ids, and no more than each identity needs."""

from collections.abc import Mapping

from tests.deployments.azure.arm.deployment import Deployment
from tests.deployments.azure.arm.resources import GROUP, SUBSCRIPTION, Resource, principal_of, type_of

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
DOCUMENTED: Mapping[str, str] = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
    "Azure Batch Data Contributor": "6aaa78f1-f7de-44ca-8722-c64a23943cae",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
}

# Of each principal, the roles it needs and on what: a type, or a container of the storage account.
_NEEDED: Mapping[str, set[tuple[str, str]]] = {
    "nodes": {
        ("AcrPull", "registries"),
        ("Key Vault Secrets User", "vaults"),
        *(
            ("Storage Blob Data Contributor", container)
            for container in ("landing", "raw", "curated", "published", "quarantine", "tasklogs")
        ),
        ("Storage Blob Data Reader", "bundles"),
    },
    "worker": {
        ("AcrPull", "registries"),
        ("Key Vault Secrets User", "vaults"),
        ("Azure Batch Data Contributor", "batchAccounts"),
    },
    "operators": {
        ("AcrPush", "registries"),
        ("Key Vault Secrets Officer", "vaults"),
        ("Storage Blob Data Contributor", "storageAccounts"),
        ("Azure Batch Data Contributor", "batchAccounts"),
    },
}
_CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"


def documented(deployment: Deployment) -> list[str]:
    roles: Mapping[str, str] = deployment.template["variables"]["roles"]
    return [
        f"the role {name} has the id {roles.get(name)}, documented is {DOCUMENTED.get(name)}"
        for name in {*roles, *DOCUMENTED}
        if roles.get(name) != DOCUMENTED.get(name)
    ]


def least(deployment: Deployment) -> list[str]:
    principals = _principals(deployment)
    found: dict[str, set[tuple[str, str]]] = {name: set() for name in _NEEDED}
    wrong = []
    for grant in deployment.of_type("Microsoft.Authorization/roleAssignments"):
        who, kind = principals.get(grant.properties["principalId"], ("nobody that is known", ""))
        found.setdefault(who, set()).add((_role(grant), _target(grant)))
        if grant.properties["principalType"] != kind:
            wrong.append(f"a grant to {who} says {grant.properties['principalType']}, and it is a {kind}")
    return [
        *wrong,
        *(
            f"{who} has {role} on {on}, and does not need it"
            for who, roles in found.items()
            for role, on in roles - _NEEDED.get(who, set())
        ),
        *(f"{who} lacks {role} on {on}" for who, roles in _NEEDED.items() for role, on in roles - found[who]),
    ]


def _principals(deployment: Deployment) -> Mapping[str, tuple[str, str]]:
    identities = deployment.of_type("Microsoft.ManagedIdentity/userAssignedIdentities")
    known = {principal_of(one.id): (one.name.rpartition("-")[2], "ServicePrincipal") for one in identities}
    return known | {deployment.given["operatorsId"]: ("operators", deployment.given.get("operatorsType", "Group"))}


def _role(grant: Resource) -> str:
    prefix = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/"
    number = grant.properties["roleDefinitionId"].removeprefix(prefix)
    return next((name for name, known in DOCUMENTED.items() if known == number), number)


def _target(grant: Resource) -> str:
    if not grant.scope or not grant.scope.startswith(f"{GROUP}/providers/"):
        return grant.scope or "the whole resource group"
    kind = type_of(grant.scope)
    return grant.scope.rpartition("/")[2] if kind == _CONTAINERS else kind.rpartition("/")[2]
