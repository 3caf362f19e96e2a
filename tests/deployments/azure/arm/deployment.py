"""What `az deployment group create` would make of the template: resources with resolved names, and outputs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deployments.azure.arm.evaluation import Evaluator, Indices
from tests.deployments.azure.arm.resources import Resource, resource_id
from tests.deployments.azure.arm.syntax import Call, calls, is_expression, parse

TEMPLATE = Path(__file__).parents[4] / "deployments" / "azure" / "main.json"
# Only steer the deployment.
_STEERING = {"comments", "condition", "copy", "dependsOn", "scope"}
# Have to be known before any resource is made.
_BEFORE = {"type", "apiVersion", "name", "location"}


@dataclass(frozen=True)
class Deployment:
    """`asked` are the ids that outputs ask a made resource of, with the API version they ask with."""

    template: Mapping[str, Any]
    given: Mapping[str, Any]
    resources: Sequence[Resource]
    outputs: Mapping[str, Any]
    asked: AbstractSet[tuple[str, str]]

    @property
    def active(self) -> list[Resource]:
        return [resource for resource in self.resources if resource.active]

    def of_type(self, kind: str) -> list[Resource]:
        return [resource for resource in self.active if resource.type == kind]

    def one(self, kind: str) -> Resource:
        (found,) = self.of_type(kind)
        return found


def load_template() -> dict[str, Any]:
    template: dict[str, Any] = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    return template


def deploy(template: Mapping[str, Any], given: Mapping[str, Any]) -> Deployment:
    """Raises TemplateError for what Azure would refuse before it makes anything."""
    evaluator = Evaluator(template, given)
    resources = [one for raw in template["resources"] for one in _resources(raw, evaluator)]
    evaluator.used.clear()
    outputs = {name: evaluator.value(output["value"], made=True) for name, output in template["outputs"].items()}
    return Deployment(template, given, resources, outputs, frozenset(evaluator.used))


def expressions(raw: Any) -> Iterator[Call]:
    """Every function call in a part of the template, taken or not."""
    if isinstance(raw, str) and is_expression(raw):
        yield from calls(parse(raw))
    elif isinstance(raw, dict):
        for key, value in raw.items():
            yield from expressions(key)
            yield from expressions(value)
    elif isinstance(raw, list):
        for item in raw:
            yield from expressions(item)


def _resources(raw: Mapping[str, Any], evaluator: Evaluator) -> Iterator[Resource]:
    loop = raw.get("copy")
    for i in range(evaluator.value(loop["count"]) if loop else 1):
        yield _resource(raw, evaluator, {"": i} if loop else {}, loop["name"] if loop else None)


def _resource(raw: Mapping[str, Any], evaluator: Evaluator, indices: Indices, loop: str | None) -> Resource:
    evaluator.used.clear()
    active = evaluator.value(raw.get("condition", True), indices)
    scope = evaluator.value(raw.get("scope"), indices)
    parts = {k: v for k, v in raw.items() if k not in _STEERING}
    # Azure does not evaluate the properties of a resource that is not to be made.
    kept = {k: v for k, v in parts.items() if active or k in _BEFORE}
    body = {k: evaluator.value(v, indices, made=k not in _BEFORE) for k, v in kept.items()}
    names = body["name"].split("/")
    identifier = resource_id(body["type"], *names, **({"scope": scope} if scope else {}))
    return Resource(
        id=identifier,
        type=body["type"],
        name=body["name"],
        api_version=body["apiVersion"],
        active=active,
        scope=scope,
        loop=loop,
        body=body,
        depends_on=tuple(evaluator.value(raw.get("dependsOn", []), indices)),
        used=frozenset(evaluator.used),
    )
