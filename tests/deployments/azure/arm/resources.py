"""Resources as Azure knows them: ids, and what a made resource tells of itself."""

import uuid
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from tests.deployments.azure.arm.syntax import TemplateError

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/etl-group"
TENANT = "99999999-8888-7777-6666-555555555555"
REGION = "westeurope"
SECRET = "<secret>"  # stands for any, so that it is found again


@dataclass(frozen=True)
class Resource:
    """One that is to be made. `body` is resolved, without what only steers the deployment (copy, dependsOn ...);
    `used` are the ids that its expressions ask a made resource of, with the API version they ask with."""

    id: str
    type: str
    name: str
    api_version: str
    active: bool
    scope: str | None
    loop: str | None
    body: Mapping[str, Any]
    depends_on: tuple[str, ...]
    used: AbstractSet[tuple[str, str]] = field(default_factory=frozenset)

    @property
    def properties(self) -> Mapping[str, Any]:
        properties: Mapping[str, Any] = self.body.get("properties", {})
        return properties

    @property
    def label(self) -> str:
        return f"{self.type.rpartition('/')[2]} {self.name}"


def resource_id(kind: str, *names: str, scope: str = GROUP) -> str:
    """`Microsoft.X/a/b` and names of a and of b, to `.../providers/Microsoft.X/a/NAME/b/NAME`."""
    provider, *types = kind.split("/")
    if len(types) != len(names):
        raise TemplateError(f"resourceId('{kind}') needs {len(types)} names, not {names}")
    return "/".join([scope, "providers", provider, *(part for pair in zip(types, names, strict=True) for part in pair)])


def type_of(identifier: str) -> str:
    """The type in a resource id."""
    provider, *parts = identifier.rpartition("/providers/")[2].split("/")
    return "/".join([provider, *parts[::2]])


def told(identifier: str) -> Mapping[str, str]:
    """Properties of a made resource that reference() gives. Raises TemplateError for a type of which none are known."""
    name = identifier.rpartition("/")[2]
    known = {
        "Microsoft.ManagedIdentity/userAssignedIdentities": {
            "principalId": principal_of(identifier),
            "clientId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"client {identifier}")),
        },
        "Microsoft.Sql/servers": {"fullyQualifiedDomainName": f"{name}.database.windows.net"},
        "Microsoft.Batch/batchAccounts": {"accountEndpoint": f"{name}.{REGION}.batch.azure.com"},
        "Microsoft.OperationalInsights/workspaces": {"customerId": str(uuid.uuid5(uuid.NAMESPACE_URL, identifier))},
    }
    if type_of(identifier) not in known:
        raise TemplateError(f"reference() of a {type_of(identifier)}, of which no properties are known here")
    return known[type_of(identifier)]


def principal_of(identity: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"principal {identity}"))
