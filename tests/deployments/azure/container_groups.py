"""A container group against the models of Azure's own client: there is no schema of it among the others."""

from collections.abc import Iterator, Mapping
from typing import Any

from azure.mgmt.containerinstance import models

_PLAIN: Mapping[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
_MODELS: Mapping[str, Any] = vars(models)


def problems(group: Mapping[str, Any]) -> list[str]:
    """Properties that the model does not know, knows with another type, or misses."""
    known = {k: v for k, v in group.items() if k != "apiVersion"}
    return list(_typed("ContainerGroup", known, ""))


def _problems(expected: Any, value: Any, path: str) -> Iterator[str]:
    """`expected`: a type as the client writes it (`[Container]`, `{str}`, `int`), or the properties of an object."""
    if isinstance(expected, str):
        yield from _typed(expected, value, path)
    elif not isinstance(value, Mapping):
        yield f"{path} is no object"
    else:
        for key, item in value.items():
            if key in expected:
                yield from _problems(expected[key], item, f"{path}/{key}")
            else:
                yield f"{path}/{key} is not known"


def _typed(expected: str, value: Any, path: str) -> Iterator[str]:
    inner = expected[1:-1]
    if expected.startswith("[") and isinstance(value, list):
        for i, item in enumerate(value):
            yield from _typed(inner, item, f"{path}/{i}")
    elif expected.startswith("{") and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _typed(inner, item, f"{path}/{key}")
    elif hasattr(_MODELS.get(expected), "_attribute_map"):
        yield from _problems(_properties(expected), value, path)
        yield from (f"{path}/{key} is missing" for key in _required(expected) if _at(value, key) is None)
    elif not isinstance(value, _PLAIN.get(expected, ())):
        yield f"{path} is a {type(value).__name__}, not a {expected}"


def _properties(model: str) -> dict[str, Any]:
    """`{"properties.containers": "[Container]"}` of the client, as the nested object that is sent."""
    found: dict[str, Any] = {}
    for attribute in _MODELS[model]._attribute_map.values():
        *above, last = attribute["key"].split(".")
        place = found
        for key in above:
            place = place.setdefault(key, {})
        place[last] = attribute["type"]
    return found


def _required(model: str) -> Iterator[str]:
    """Read-only ones are not for us to give."""
    for attribute, rules in _MODELS[model]._validation.items():
        if rules.get("required"):
            yield _MODELS[model]._attribute_map[attribute]["key"].replace(".", "/")


def _at(value: Any, path: str) -> Any:
    for key in path.split("/"):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
