"""Nodes and worker: in their subnets, reached by nobody, running the image of the registry here, by their identity."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.deployments.azure.arm.deployment import Deployment
from tests.deployments.azure.arm.resources import Resource

Login = tuple[str, ...]

_POOLS = "Microsoft.Batch/batchAccounts/pools"
_GROUPS = "Microsoft.ContainerInstance/containerGroups"
_NETWORKS = "Microsoft.Network/virtualNetworks"
_ADDRESSES = "Microsoft.Network/publicIPAddresses"
# Images that come with a container runtime, and their agents; `az batch pool supported-images list` has all.
_AGENTS: Mapping[tuple[str, str, str], str] = {
    ("microsoft-dsvm", "ubuntu-hpc", "2204"): "batch.node.ubuntu 22.04",
    ("microsoft-dsvm", "ubuntu-hpc", "2404"): "batch.node.ubuntu 24.04",
}


def nobody_reaches_them(deployment: Deployment) -> list[str]:
    wrong = []
    for pool in deployment.of_type(_POOLS):
        network = pool.properties["networkConfiguration"]
        if network.get("publicIPAddressConfiguration", {}).get("provision") != "NoPublicIPAddresses":
            wrong.append(f"nodes of {pool.label} have public addresses")
        if "endpointConfiguration" in network:
            wrong.append(f"{pool.label} opens ports of its nodes")
    return [
        *wrong,
        *(f"{group.label} has an address" for group in deployment.of_type(_GROUPS) if "ipAddress" in group.properties),
    ]


def they_stand_in_their_subnets(deployment: Deployment) -> list[str]:
    """Nodes and worker have a subnet each; the worker's has to be given to Container Instances."""
    network = deployment.one(_NETWORKS).id
    pools = [(one, [one.properties["networkConfiguration"].get("subnetId")]) for one in deployment.of_type(_POOLS)]
    groups = [(one, [s.get("id") for s in one.properties["subnetIds"]]) for one in deployment.of_type(_GROUPS)]
    wanted = {_POOLS: [f"{network}/subnets/nodes"], _GROUPS: [f"{network}/subnets/worker"]}
    given_to = [one["properties"].get("serviceName") for one in _subnets(deployment)["worker"].get("delegations", [])]
    return [
        *(f"{one.label} stands in {found}" for one, found in [*pools, *groups] if found != wanted[one.type]),
        *([] if given_to == [_GROUPS] else [f"the subnet worker is delegated to {given_to}"]),
    ]


def the_only_way_out_is_the_gateway(deployment: Deployment) -> list[str]:
    """For the subnets with machines; the endpoints need none."""
    gateway, address = deployment.one("Microsoft.Network/natGateways"), deployment.one(_ADDRESSES)
    subnets = _subnets(deployment)
    alone = [name for name, subnet in subnets.items() if subnet.get("defaultOutboundAccess") is not False]
    ways = {name: subnet.get("natGateway", {}).get("id") for name, subnet in subnets.items() if name != "endpoints"}
    return [
        *(f"the subnet {name} goes out by itself" for name in alone),
        *(f"the subnet {name} has no way out" for name, way in ways.items() if way != gateway.id),
        *([] if gateway.properties["publicIpAddresses"] == [{"id": address.id}] else ["the gateway has no address"]),
    ]


def they_pull_by_identity(deployment: Deployment) -> list[str]:
    """From the registry that is made here, without a password."""
    registry = f"{deployment.one('Microsoft.ContainerRegistry/registries').name}.azurecr.io"
    return [
        f"{one.label} pulls from {login[0]} with what it does not have"
        for one, login in _logins(deployment)
        if login != (registry, *one.body["identity"]["userAssignedIdentities"])
    ]


def they_run_the_same_image(deployment: Deployment) -> list[str]:
    image = deployment.outputs["jobVariables"]["image"]
    registry = f"{deployment.one('Microsoft.ContainerRegistry/registries').name}.azurecr.io/"
    found = [(pool, _containers(pool)["containerImageNames"]) for pool in deployment.of_type(_POOLS)]
    groups = deployment.of_type(_GROUPS)
    found += [(group, [one["properties"].get("image") for one in group.properties["containers"]]) for group in groups]
    return [
        f"{machine.label} runs {images}, not {image} of {registry}"
        for machine, images in found
        if images != [image] or not image.startswith(registry)
    ]


def nodes_have_the_agent_of_their_system(deployment: Deployment) -> list[str]:
    return [
        f"{pool.label} has no image with containers and its agent"
        for pool in deployment.of_type(_POOLS)
        if _AGENTS.get(_system(pool)) != _machine(pool)["nodeAgentSkuId"]
    ]


def formula_fits(deployment: Deployment) -> list[str]:
    """At most 8 KB and 100 statements, and it says both targets and what becomes of running tasks."""
    formulas = [(p, p.properties["scaleSettings"]["autoScale"]["formula"]) for p in deployment.of_type(_POOLS)]
    return [
        *(f"the formula of {pool.label} is too long" for pool, f in formulas if len(f) > 8192 or f.count(";") > 100),
        *(
            f"the formula of {pool.label} does not set {target}"
            for pool, formula in formulas
            for target in ("$TargetDedicatedNodes", "$TargetLowPriorityNodes", "$NodeDeallocationOption")
            if f"{target} =" not in formula
        ),
    ]


def _logins(deployment: Deployment) -> Iterator[tuple[Resource, Login]]:
    """Where pool and worker pull from, and with which identity; what else they give stands behind it."""
    for pool in deployment.of_type(_POOLS):
        for one in _containers(pool)["containerRegistries"]:
            others = one.keys() - {"registryServer", "identityReference"}
            yield pool, (one["registryServer"], one.get("identityReference", {}).get("resourceId", ""), *others)
    for group in deployment.of_type(_GROUPS):
        for one in group.properties["imageRegistryCredentials"]:
            yield group, (one["server"], one.get("identity", ""), *(one.keys() - {"server", "identity"}))


def _containers(pool: Resource) -> Mapping[str, Any]:
    configuration: Mapping[str, Any] = _machine(pool)["containerConfiguration"]
    return configuration


def _system(pool: Resource) -> tuple[str, str, str]:
    image = _machine(pool)["imageReference"]
    return image.get("publisher"), image.get("offer"), image.get("sku")


def _machine(pool: Resource) -> Mapping[str, Any]:
    machine: Mapping[str, Any] = pool.properties["deploymentConfiguration"]["virtualMachineConfiguration"]
    return machine


def _subnets(deployment: Deployment) -> Mapping[str, Mapping[str, Any]]:
    return {subnet["name"]: subnet["properties"] for subnet in deployment.one(_NETWORKS).properties["subnets"]}
