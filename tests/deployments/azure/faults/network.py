"""Faults of the network."""

from collections.abc import Mapping

from tests.deployments.azure.checks import network
from tests.deployments.azure.faults import Fault
from tests.deployments.azure.faults.changes import one, parameter, put, text, variable

FAULTS: Mapping[str, Fault] = {
    "a subnet outside": (
        network.subnets_fit,
        parameter("workerRange", defaultValue="10.41.0.0/27"),
        "the subnet worker is outside the network",
    ),
    "a network that Docker uses too": (
        network.subnets_fit,
        parameter("networkRange", defaultValue="172.16.0.0/12"),
        "the network holds addresses that Docker uses on the nodes",
    ),
    "subnets that overlap": (
        network.subnets_fit,
        parameter("endpointsRange", defaultValue="10.40.4.16/28"),
        "the subnets worker and endpoints overlap",
    ),
    "a subnet too small": (
        network.subnets_fit,
        parameter("endpointsRange", defaultValue="10.40.5.0/30"),
        "the subnet endpoints is too small",
    ),
    "no endpoint for node management": (
        network.every_service_has_its_endpoints,
        variable("endpoints", lambda endpoints: endpoints.pop()),
        "has no private endpoint for nodeManagement",
    ),
    "an endpoint in the wrong zone": (
        network.every_service_has_its_endpoints,
        variable("endpoints", lambda endpoints: endpoints[3].update(zone="privatelink.azurecr.io")),
        "has privatelink.azurecr.io for sqlServer, not privatelink.database.windows.net",
    ),
    "an endpoint without a name": (
        network.every_service_has_its_endpoints,
        lambda t: t["resources"].remove(one(t, "/privateDnsZoneGroups")),
        "has no name for blob",
    ),
    "a zone that the network does not ask": (
        network.zones_are_linked,
        lambda t: one(t, "/virtualNetworkLinks")["copy"].update(count=4),
        "privatelink.batch.azure.com is not linked to the network",
    ),
    "an endpoint among the nodes": (
        network.zones_are_linked,
        text("/privateEndpoints", "'), 'endpoints')", "'), 'nodes')"),
        "privateEndpoints etl-blob is not in the subnet",
    ),
    "public access to storage": (
        network.closed_to_all_but_operators,
        put("/storageAccounts", "properties/publicNetworkAccess", "Enabled"),
        "has public network access Enabled",
    ),
    "public access to Batch by default": (
        network.closed_to_all_but_operators,
        put("/batchAccounts", "properties/publicNetworkAccess", None),
        "has public network access by default",
    ),
    "a registry open to all": (
        network.closed_to_all_but_operators,
        put("/registries", "properties/networkRuleSet/defaultAction", "Allow"),
        "lets in whom no rule names",
    ),
    "node management open to all": (
        network.closed_to_all_but_operators,
        put("/batchAccounts", "properties/networkProfile/nodeManagementAccess", None),
        "lets in whom no rule names",
    ),
    "a vault that lets somebody in": (
        network.closed_to_all_but_operators,
        put("/vaults", "properties/networkAcls/ipRules", [{"value": "192.0.2.1"}]),
        "lets in ['192.0.2.1'], not []",
    ),
    "a database open to all of Azure": (
        network.closed_to_all_but_operators,
        lambda t: (
            one(t, "/firewallRules")["copy"].update(count=1),
            one(t, "/firewallRules").update(
                properties={"startIpAddress": "0.0.0.0", "endIpAddress": "255.255.255.255"}
            ),
        ),
        "lets in ['0.0.0.0-255.255.255.255'], not []",
    ),
}
