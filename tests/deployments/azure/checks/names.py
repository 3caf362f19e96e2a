"""Names and versions: unique, allowed by Azure, declared and used."""

import re
from collections import Counter
from collections.abc import Mapping

from tests.deployments.azure.arm.deployment import Deployment, expressions

# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
_RULES: Mapping[str, str] = {
    "Microsoft.Batch/batchAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Batch/batchAccounts/pools": r"[A-Za-z0-9_-]{1,64}",
    "Microsoft.ContainerInstance/containerGroups": r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
    "Microsoft.ContainerRegistry/registries": r"[A-Za-z0-9]{5,50}",
    "Microsoft.KeyVault/vaults": r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]",
    "Microsoft.KeyVault/vaults/secrets": r"[A-Za-z0-9-]{1,127}",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    "Microsoft.Network/privateEndpoints": r"\w([\w.-]{0,62}\w)?",
    "Microsoft.Network/virtualNetworks": r"\w([\w.-]{0,62}\w)?",
    "Microsoft.OperationalInsights/workspaces": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "Microsoft.Sql/servers": r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Storage/storageAccounts/blobServices/containers": r"(?!.*--)[a-z0-9][a-z0-9-]{2,62}",
}

# One version of each type, in the schemas of Azure/azure-resource-manager-schemas or the service's documentation.
_VERSIONS: Mapping[str, str] = {
    "Microsoft.Authorization": "2022-04-01",
    "Microsoft.Batch": "2025-06-01",
    "Microsoft.ContainerInstance": "2023-05-01",
    "Microsoft.ContainerRegistry": "2025-04-01",
    # Never left its preview: https://learn.microsoft.com/azure/templates/microsoft.insights/diagnosticsettings
    "Microsoft.Insights": "2021-05-01-preview",
    "Microsoft.KeyVault": "2024-11-01",
    "Microsoft.ManagedIdentity": "2024-11-30",
    "Microsoft.Network": "2024-07-01",
    "Microsoft.Network/privateDnsZones": "2024-06-01",
    "Microsoft.OperationalInsights": "2025-02-01",
    "Microsoft.Sql": "2023-08-01",
    "Microsoft.Storage": "2025-06-01",
}


def unique(deployment: Deployment) -> list[str]:
    ids = Counter(resource.id.lower() for resource in deployment.resources)
    return [f"{count} resources have the id {name}" for name, count in ids.items() if count > 1]


def allowed(deployment: Deployment) -> list[str]:
    return [
        f"{resource.label} is not a name that Azure allows"
        for resource in deployment.active
        if resource.type in _RULES and not re.fullmatch(_RULES[resource.type], resource.name.rpartition("/")[2])
    ]


def versions(deployment: Deployment) -> list[str]:
    used = {(r.type, r.api_version) for r in deployment.resources}
    by_id = {r.id: r.type for r in deployment.resources}
    asked = {*deployment.asked, *(pair for resource in deployment.resources for pair in resource.used)}
    used |= {(by_id.get(name, name), version) for name, version in asked}
    return [f"{kind} in version {version}, not {_version(kind)}" for kind, version in used if version != _version(kind)]


def declared_and_used(deployment: Deployment) -> list[str]:
    """What is not declared fails when it is evaluated; here, what nobody asks for."""
    template = deployment.template
    asked = {
        (call.name, str(getattr(call.arguments[0], "value", ""))) for call in expressions(template) if call.arguments
    }
    variables = {*template["variables"], *(loop["name"] for loop in template["variables"]["copy"])} - {"copy"}
    return [
        *(f"the parameter {name} is not used" for name in template["parameters"] if ("parameters", name) not in asked),
        *(f"the variable {name} is not used" for name in variables if ("variables", name) not in asked),
        *(
            f"the parameter {name} has no description"
            for name, parameter in template["parameters"].items()
            if not parameter.get("metadata", {}).get("description")
        ),
    ]


def _version(kind: str) -> str | None:
    """The version that is listed for the longest beginning of the type."""
    parts = kind.split("/")
    beginnings = ("/".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((_VERSIONS[one] for one in beginnings if one in _VERSIONS), None)
