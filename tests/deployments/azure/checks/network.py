"""Subnets, private endpoints with their names, and who reaches the services from outside."""

import ipaddress
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.deployments.azure.arm.deployment import Deployment
from tests.deployments.azure.arm.resources import Resource, type_of

# https://learn.microsoft.com/azure/private-link/private-endpoint-dns: of each service, its endpoints and their zones.
ENDPOINTS: Mapping[str, Mapping[str, str]] = {
    "Microsoft.Batch/batchAccounts": {
        "batchAccount": "privatelink.batch.azure.com",
        "nodeManagement": "privatelink.batch.azure.com",
    },
    "Microsoft.ContainerRegistry/registries": {"registry": "privatelink.azurecr.io"},
    "Microsoft.KeyVault/vaults": {"vault": "privatelink.vaultcore.azure.net"},
    "Microsoft.Sql/servers": {"sqlServer": "privatelink.database.windows.net"},
    "Microsoft.Storage/storageAccounts": {"blob": "privatelink.blob.core.windows.net"},
}
# https://learn.microsoft.com/azure/batch/batch-virtual-network
_DOCKER = ipaddress.IPv4Network("172.17.0.0/16")
_SMALLEST = 29  # Azure makes no smaller subnet than /29


def subnets_fit(deployment: Deployment) -> list[str]:
    network = deployment.one("Microsoft.Network/virtualNetworks")
    (space,) = [ipaddress.IPv4Network(one) for one in network.properties["addressSpace"]["addressPrefixes"]]
    subnets = {
        s["name"]: ipaddress.IPv4Network(s["properties"]["addressPrefix"]) for s in network.properties["subnets"]
    }
    return [
        *(["the network holds addresses that Docker uses on the nodes"] if space.overlaps(_DOCKER) else []),
        *(f"the subnet {name} is outside the network" for name, one in subnets.items() if not one.subnet_of(space)),
        *(f"the subnet {name} is too small" for name, one in subnets.items() if one.prefixlen > _SMALLEST),
        *(
            f"the subnets {one} and {other} overlap"
            for one, other in itertools.combinations(subnets, 2)
            if subnets[one].overlaps(subnets[other])
        ),
    ]


def every_service_has_its_endpoints(deployment: Deployment) -> list[str]:
    """With the name that makes the virtual network find it there."""
    found = {(target, group): zone for target, group, zone in _endpoints(deployment)}
    return [
        f"{service.label} has {found.get((service.id, group), 'no private endpoint')} for {group}, not {zone}"
        for service in _services(deployment)
        for group, zone in ENDPOINTS[service.type].items()
        if found.get((service.id, group)) != zone
    ]


def zones_are_linked(deployment: Deployment) -> list[str]:
    """The network that the endpoints stand in is the one that resolves their names."""
    network = deployment.one("Microsoft.Network/virtualNetworks").id
    linked = {
        link.name.partition("/")[0]
        for link in deployment.of_type("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
        if link.properties["virtualNetwork"]["id"] == network
    }
    elsewhere = [
        e.label
        for e in deployment.of_type("Microsoft.Network/privateEndpoints")
        if e.properties["subnet"]["id"] != f"{network}/subnets/endpoints"
    ]
    zones = [zone.name for zone in deployment.of_type("Microsoft.Network/privateDnsZones") if zone.name not in linked]
    return [*(f"{z} is not linked to the network" for z in zones), *(f"{e} is not in the subnet" for e in elsewhere)]


def closed_to_all_but_operators(deployment: Deployment) -> list[str]:
    """Without addresses of operators public access is off; with them, on for those and nobody else."""
    addresses = deployment.given.get("operatorAddresses", [])
    wanted = "Enabled" if addresses else "Disabled"
    wrong = [
        f"{service.label} has public network access {service.properties.get('publicNetworkAccess', 'by default')}"
        for service in _services(deployment)
        if service.properties.get("publicNetworkAccess") != wanted
    ]
    for service in _services(deployment):
        defaults, let_in = _door(service, deployment)
        wrong += [f"{service.label} lets in whom no rule names" for one in defaults if one != "Deny"]
        if let_in != addresses:
            wrong.append(f"{service.label} lets in {let_in}, not {addresses}")
    return wrong


def _services(deployment: Deployment) -> list[Resource]:
    return [resource for resource in deployment.active if resource.type in ENDPOINTS]


def _endpoints(deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """Each endpoint's service, the part of it, and the zone that its name is written to."""
    groups = deployment.of_type("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    zones = {
        group.name.partition("/")[0]: config["properties"]["privateDnsZoneId"].rpartition("/")[2]
        for group in groups
        for config in group.properties["privateDnsZoneConfigs"]
    }
    for endpoint in deployment.of_type("Microsoft.Network/privateEndpoints"):
        for connection in endpoint.properties["privateLinkServiceConnections"]:
            for group in connection["properties"]["groupIds"]:
                yield connection["properties"]["privateLinkServiceId"], group, zones.get(endpoint.name, "no name")


def _door(service: Resource, deployment: Deployment) -> tuple[list[str], Sequence[str]]:
    """Default actions, and addresses that rules let in."""
    match type_of(service.id):
        case "Microsoft.Sql/servers":
            rules = deployment.of_type("Microsoft.Sql/servers/firewallRules")
            ends = [(r.properties["startIpAddress"], r.properties["endIpAddress"]) for r in rules]
            return [], [start if start == end else f"{start}-{end}" for start, end in ends]
        case "Microsoft.Batch/batchAccounts":
            profile = service.properties.get("networkProfile", {})
            doors: list[Mapping[str, Any]] = [profile.get("accountAccess", {}), profile.get("nodeManagementAccess", {})]
        case "Microsoft.ContainerRegistry/registries":
            doors = [service.properties.get("networkRuleSet", {})]
        case _:
            doors = [service.properties.get("networkAcls", {})]
    rules_of = [rule["value"] for door in doors for rule in door.get("ipRules", [])]
    return [door.get("defaultAction", "Allow") for door in doors], rules_of
