"""Changes to a template, to see that a check sees them."""

from collections.abc import Callable
from typing import Any

Template = dict[str, Any]
Change = Callable[[Template], object]


def one(template: Template, kind: str, name: str = "") -> dict[str, Any]:
    """The first resource of the template whose type ends so, and in whose name, as written, this stands."""
    return next(r for r in template["resources"] if r["type"].endswith(kind) and name in r["name"])


def put(kind: str, path: str, value: object) -> Change:
    """Sets what is at the path within a resource; None removes it."""

    def change(template: Template) -> None:
        *above, last = path.split("/")
        target: Any = one(template, kind)
        for key in above:
            target = target[int(key) if key.isdigit() else key]
        if value is None:
            del target[int(last) if last.isdigit() else last]
        else:
            target[int(last) if last.isdigit() else last] = value

    return change


def without(kind: str, dependency: str) -> Change:
    def change(template: Template) -> None:
        before = one(template, kind)["dependsOn"]
        (found,) = [one for one in before if dependency in one]
        before.remove(found)

    return change


def text(kind: str, old: str, new: str) -> Change:
    """Replaces text in the expressions of a resource's properties."""

    def change(template: Template) -> None:
        resource = one(template, kind)

        def replaced(value: Any) -> Any:
            if isinstance(value, str):
                return value.replace(old, new)
            if isinstance(value, dict):
                return {replaced(k): replaced(v) for k, v in value.items()}
            return [replaced(item) for item in value] if isinstance(value, list) else value

        resource.update(replaced(resource))

    return change


def variable(name: str, change: Callable[[Any], object]) -> Change:
    return lambda template: change(template["variables"][name])


def parameter(name: str, **changes: object) -> Change:
    return lambda template: template["parameters"][name].update(changes)


def output(name: str, value: str) -> Change:
    return lambda template: template["outputs"].update({name: {"type": "string", "value": value}})
