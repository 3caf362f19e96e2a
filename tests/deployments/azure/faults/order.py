"""Faults of what is made before what."""

from collections.abc import Mapping

from tests.deployments.azure.checks import dependencies
from tests.deployments.azure.faults import Fault
from tests.deployments.azure.faults.changes import one, output, text, without

FAULTS: Mapping[str, Fault] = {
    "a dependency is removed": (
        dependencies.depends_on_what_it_names,
        without("/natGateways", "natAddressId"),
        "natGateways etl-nat uses Microsoft.Network/publicIPAddresses/etl-nat and does not depend on it",
    ),
    "a subnet is used before its network": (
        dependencies.depends_on_what_it_names,
        without("/privateEndpoints", "networkId"),
        "uses Microsoft.Network/virtualNetworks/etl-network and does not depend on it",
    ),
    "an endpoint before its service": (
        dependencies.depends_on_what_it_names,
        without("/privateEndpoints", ".to"),
        "privateEndpoints etl-sql uses Microsoft.Sql/servers/",
    ),
    "a child before its parent": (
        dependencies.depends_on_what_it_names,
        without("/servers/databases", "sqlId"),
        "does not depend on it",
    ),
    "a grant before what it is a grant on": (
        dependencies.depends_on_what_it_names,
        without("/roleAssignments", ".on"),
        "does not depend on it",
    ),
    "a grant before the identity it asks for its principal": (
        dependencies.depends_on_what_it_names,
        without("/roleAssignments", ".to"),
        "uses Microsoft.ManagedIdentity/userAssignedIdentities/etl-nodes and does not depend on it",
    ),
    "the worker before the workspace whose key it is given": (
        dependencies.depends_on_what_it_names,
        without("/containerGroups", "workspaceId"),
        "uses Microsoft.OperationalInsights/workspaces/etl-logs",
    ),
    "a name group before the zone": (
        dependencies.depends_on_what_it_names,
        without("/privateDnsZoneGroups", "zoneLinks"),
        "uses Microsoft.Network/privateDnsZones/privatelink.batch.azure.com",
    ),
    "a circle": (
        dependencies.without_cycle,
        lambda t: one(t, "/publicIPAddresses").update(dependsOn=["[variables('networkId')]"]),
        "a cycle: ",
    ),
    "a dependency on nothing": (
        dependencies.names_known_resources,
        lambda t: one(t, "/natGateways")["dependsOn"].append("[resourceId('Microsoft.Network/natGateways', 'other')]"),
        "depends on Microsoft.Network/natGateways/other, which is not in the template",
    ),
    "a loop that is not there": (
        dependencies.names_known_resources,
        lambda t: one(t, "/pools")["dependsOn"].append("grant"),
        "depends on grant, which is not in the template",
    ),
    "a subnet that is not there": (
        dependencies.names_known_resources,
        text("/privateEndpoints", "'), 'endpoints')", "'), 'endpoint')"),
        "virtualNetworks/etl-network/subnets/endpoint, which is not made",
    ),
    "a resource that goes while others need it": (
        dependencies.names_known_resources,
        lambda t: t["resources"].remove(one(t, "/workspaces")),
        "Microsoft.OperationalInsights/workspaces/etl-logs, which is not in the template",
    ),
    "a resource that is made only sometimes": (
        dependencies.names_known_resources,
        lambda t: one(t, "/vaults").update(condition="[equals(parameters('name'), 'other')]"),
        "which is not made",
    ),
    "an output of a resource that is not there": (
        dependencies.names_known_resources,
        output(
            "other", "[reference(resourceId('Microsoft.Sql/servers', 'other'), '2023-08-01').fullyQualifiedDomainName]"
        ),
        "an output asks Microsoft.Sql/servers/other, which is not made",
    ),
    "nodes before names": (
        dependencies.compute_comes_last,
        without("/pools", "endpointNames"),
        "may start before privateDnsZoneGroups etl-batch-nodes/default",
    ),
    "the worker before its roles": (
        dependencies.compute_comes_last,
        without("/containerGroups", "grants"),
        "containerGroups etl-worker may start before roleAssignments",
    ),
}
