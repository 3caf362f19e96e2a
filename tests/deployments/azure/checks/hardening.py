"""Services take identities, no passwords or keys, over TLS, from whom they have to; what is deleted can be had back."""

from collections.abc import Mapping
from typing import Any

from tests.deployments.azure.arm.deployment import Deployment

# By type, paths within its properties, and what has to stand there.
WANTED: Mapping[str, Mapping[str, object]] = {
    "Microsoft.Batch/batchAccounts": {
        "allowedAuthenticationModes": ["AAD"],
        "poolAllocationMode": "BatchService",
    },
    "Microsoft.ContainerRegistry/registries": {
        "adminUserEnabled": False,
        "anonymousPullEnabled": False,
        # Container Instances pull through a private endpoint as a trusted service only:
        # https://learn.microsoft.com/azure/container-instances/using-azure-container-registry-mi
        "networkRuleBypassOptions": "AzureServices",
    },
    "Microsoft.KeyVault/vaults": {
        "enableRbacAuthorization": True,
        "enableSoftDelete": True,
        "networkAcls/bypass": "None",
    },
    "Microsoft.Sql/servers": {
        "administrators/administratorType": "ActiveDirectory",
        "administrators/azureADOnlyAuthentication": True,
        "minimalTlsVersion": "1.2",
    },
    "Microsoft.Storage/storageAccounts": {
        "allowBlobPublicAccess": False,
        "allowSharedKeyAccess": False,
        "defaultToOAuthAuthentication": True,
        "minimumTlsVersion": "TLS1_2",
        "networkAcls/bypass": "None",
        "supportsHttpsTrafficOnly": True,
    },
    "Microsoft.Storage/storageAccounts/blobServices": {
        "containerDeleteRetentionPolicy/enabled": True,
        "deleteRetentionPolicy/enabled": True,
    },
    "Microsoft.Storage/storageAccounts/blobServices/containers": {"publicAccess": "None"},
}


def settings_are_hard(deployment: Deployment) -> list[str]:
    return [
        f"{resource.label}: {path} is {found}, not {wanted}"
        for resource in deployment.active
        for path, wanted in WANTED.get(resource.type, {}).items()
        if (found := _at(resource.properties, path)) != wanted
    ]


def operators_administer_the_database(deployment: Deployment) -> list[str]:
    server = deployment.one("Microsoft.Sql/servers")
    administrator = server.properties["administrators"]
    found = (administrator.get("sid"), administrator.get("login"), administrator.get("principalType"))
    given = deployment.given
    wanted = (given["operatorsId"], given["operatorsName"], given.get("operatorsType", "Group"))
    return [] if found == wanted else [f"{server.label} is administered by {found}, not by {wanted}"]


def _at(value: Any, path: str) -> Any:
    for key in path.split("/"):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
