"""A resource is made after everything it names, and everything it names is made."""

import graphlib
from collections.abc import Iterator, Mapping
from typing import Any

from tests.deployments.azure.arm.deployment import Deployment
from tests.deployments.azure.arm.resources import GROUP, Resource

_ENDPOINT_NAMES = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"
_GRANTS = "Microsoft.Authorization/roleAssignments"
_COMPUTE = ("Microsoft.Batch/batchAccounts/pools", "Microsoft.ContainerInstance/containerGroups")

Graph = Mapping[str, set[str]]


def names_known_resources(deployment: Deployment) -> list[str]:
    """No id and no dependsOn that leads nowhere."""
    known, loops = _ids(deployment), _loops(deployment)
    declared = {resource.id for resource in deployment.resources}
    return [
        *(
            f"{resource.label} depends on {_short(name)}, which is not in the template"
            for resource in deployment.active
            for name in resource.depends_on
            if name not in declared and name not in loops
        ),
        *(
            f"{resource.label} names {_short(name)}, which is not made"
            for resource in deployment.active
            for name in _named(resource)
            if name not in known
        ),
        *(f"an output asks {_short(name)}, which is not made" for name, _ in deployment.asked if name not in known),
    ]


def depends_on_what_it_names(deployment: Deployment) -> list[str]:
    """Azure derives no order from ids, nor from reference() of an id.

    https://learn.microsoft.com/azure/azure-resource-manager/templates/resource-dependency"""
    graph, known = _graph(deployment), _ids(deployment)
    if without_cycle(deployment):
        return []
    missing = []
    for resource in deployment.active:
        before = _closure(resource.id, graph)
        used = {known[name] for name in _named(resource) if name in known} - {resource.id} - before
        missing += [f"{resource.label} uses {_short(one)} and does not depend on it" for one in used]
    return missing


def without_cycle(deployment: Deployment) -> list[str]:
    try:
        graphlib.TopologicalSorter(_graph(deployment)).prepare()
    except graphlib.CycleError as error:
        return [f"a cycle: {' -> '.join(_short(one) for one in error.args[1])}"]
    return []


def compute_comes_last(deployment: Deployment) -> list[str]:
    """A node or worker that starts before it can resolve names or pull its image is lost."""
    graph = _graph(deployment)
    needed = [*deployment.of_type(_ENDPOINT_NAMES), *deployment.of_type(_GRANTS)]
    return [
        f"{compute.label} may start before {one.label}"
        for kind in _COMPUTE
        for compute in deployment.of_type(kind)
        for one in needed
        if one.loop != "operatorGrants" and one.id not in _closure(compute.id, graph)
    ]


def _named(resource: Resource) -> set[str]:
    """Ids within the group: in the body, of the scope, of the parent, and those asked for properties."""
    names = {*_texts(resource.body), *(name for name, _ in resource.used), resource.scope or "", _parent(resource.id)}
    return {name for name in names if name.startswith(f"{GROUP}/providers/")} - {resource.id}


def _parent(identifier: str) -> str:
    return identifier.rsplit("/", 2)[0] if len(identifier.rpartition("/providers/")[2].split("/")) > 3 else ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _ids(deployment: Deployment) -> Mapping[str, str]:
    """Every id that may be named, to the resource that brings it: subnets come with their network."""
    owners = {resource.id: resource.id for resource in deployment.active}
    for network in deployment.of_type("Microsoft.Network/virtualNetworks"):
        for subnet in network.properties["subnets"]:
            owners[f"{network.id}/subnets/{subnet['name']}"] = network.id
    return owners


def _loops(deployment: Deployment) -> Mapping[str, set[str]]:
    loops: dict[str, set[str]] = {
        raw["copy"]["name"]: set() for raw in deployment.template["resources"] if "copy" in raw
    }
    for resource in deployment.active:
        if resource.loop:
            loops[resource.loop].add(resource.id)
    return loops


def _graph(deployment: Deployment) -> Graph:
    loops = _loops(deployment)
    return {
        resource.id: {one for name in resource.depends_on for one in loops.get(name, {name})}
        for resource in deployment.active
    }


def _closure(start: str, graph: Graph) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        if (one := waiting.pop()) not in seen:
            seen.add(one)
            waiting.extend(graph.get(one, ()))
    return seen


def _short(identifier: str) -> str:
    return identifier.removeprefix(f"{GROUP}/providers/")
