"""Faults of nodes and worker."""

from collections.abc import Mapping

from tests.deployments.azure.checks import machines
from tests.deployments.azure.faults import Fault
from tests.deployments.azure.faults.changes import put, text, variable

_MACHINE = "properties/deploymentConfiguration/virtualMachineConfiguration"

FAULTS: Mapping[str, Fault] = {
    "nodes with addresses": (
        machines.nobody_reaches_them,
        put("/pools", "properties/networkConfiguration/publicIPAddressConfiguration", None),
        "have public addresses",
    ),
    "ssh to nodes": (
        machines.nobody_reaches_them,
        put("/pools", "properties/networkConfiguration/endpointConfiguration", {"inboundNatPools": []}),
        "opens ports",
    ),
    "a worker with an address": (
        machines.nobody_reaches_them,
        put("/containerGroups", "properties/ipAddress", {"type": "Public", "ports": [{"port": 8080}]}),
        "containerGroups etl-worker has an address",
    ),
    "nodes without a way out": (
        machines.the_only_way_out_is_the_gateway,
        put("/virtualNetworks", "properties/subnets/0/properties/natGateway", None),
        "the subnet nodes has no way out",
    ),
    "nodes that go out by themselves": (
        machines.the_only_way_out_is_the_gateway,
        put("/virtualNetworks", "properties/subnets/0/properties/defaultOutboundAccess", None),
        "the subnet nodes goes out by itself",
    ),
    "a gateway without an address": (
        machines.the_only_way_out_is_the_gateway,
        put("/natGateways", "properties/publicIpAddresses", []),
        "the gateway has no address",
    ),
    "a subnet that Container Instances may not use": (
        machines.they_stand_in_their_subnets,
        put("/virtualNetworks", "properties/subnets/1/properties/delegations", []),
        "the subnet worker is delegated to []",
    ),
    "nodes among the endpoints": (
        machines.they_stand_in_their_subnets,
        text("/pools", "'), 'nodes')", "'), 'endpoints')"),
        "/subnets/endpoints",
    ),
    "nodes in no network": (
        machines.they_stand_in_their_subnets,
        put("/pools", "properties/networkConfiguration/subnetId", None),
        "stands in [None]",
    ),
    "a worker in no network": (
        machines.they_stand_in_their_subnets,
        put("/containerGroups", "properties/subnetIds", []),
        "containerGroups etl-worker stands in []",
    ),
    "a worker of another image": (
        machines.they_run_the_same_image,
        put("/containerGroups", "properties/containers/0/properties/image", "prefecthq/prefect:3"),
        "containerGroups etl-worker runs ['prefecthq/prefect:3']",
    ),
    "an image that is not prefetched": (
        machines.they_run_the_same_image,
        put("/pools", f"{_MACHINE}/containerConfiguration/containerImageNames", []),
        "runs []",
    ),
    "another system than the agent's": (
        machines.nodes_have_the_agent_of_their_system,
        put("/pools", f"{_MACHINE}/imageReference/sku", "2204"),
        "has no image with containers and its agent",
    ),
    "a pool without the identity it pulls with": (
        machines.they_pull_by_identity,
        put("/pools", "identity/userAssignedIdentities", {"[variables('workerId')]": {}}),
        "pulls from",
    ),
    "a pool that pulls with a password": (
        machines.they_pull_by_identity,
        put("/pools", f"{_MACHINE}/containerConfiguration/containerRegistries/0/password", "x"),
        "pulls from",
    ),
    "an image from elsewhere": (
        machines.they_run_the_same_image,
        lambda t: t["variables"].update(image="docker.io/library/python:3.11"),
        "runs ['docker.io/library/python:3.11'], not docker.io/library/python:3.11 of etl",
    ),
    "a worker without the identity it pulls with": (
        machines.they_pull_by_identity,
        put("/containerGroups", "properties/imageRegistryCredentials/0/identity", "[variables('nodesId')]"),
        "containerGroups etl-worker pulls from",
    ),
    "a formula that says nothing of spot nodes": (
        machines.formula_fits,
        variable("formula", lambda lines: lines.remove(next(one for one in lines if "$TargetLow" in one))),
        "does not set $TargetLowPriorityNodes",
    ),
}
