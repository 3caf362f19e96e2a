"""Values of expressions: parameters, variables, loops, and what only a made resource can tell."""

from collections.abc import Mapping
from typing import Any

from tests.deployments.azure.arm.functions import FUNCTIONS
from tests.deployments.azure.arm.resources import SECRET, told
from tests.deployments.azure.arm.syntax import Call, Item, Literal, Member, Node, TemplateError, is_expression, parse

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "securestring": str,
    "int": int,
    "bool": bool,
    "array": list,
    "object": dict,
}
Indices = Mapping[str, int]


class Evaluator:
    """`used` collects the resources that reference() and listKeys() asked, with the API version."""

    def __init__(self, template: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        self._template = template
        self._variables: dict[str, Any] = {}
        self._under_way: list[str] = []
        self.used: set[tuple[str, str]] = set()
        if unknown := given.keys() - template["parameters"].keys():
            raise TemplateError(f"there is no parameter {', '.join(sorted(unknown))}")
        self._given = given
        for name in template["parameters"]:
            self._parameter(name)

    def value(self, raw: Any, indices: Indices | None = None, *, made: bool = False) -> Any:
        """`raw` with all expressions in it replaced. `made`: resources exist, so that reference() can be asked."""
        if isinstance(raw, str):
            return self._node(parse(raw), indices or {}, made) if is_expression(raw) else raw
        if isinstance(raw, list):
            return [self.value(item, indices, made=made) for item in raw]
        if isinstance(raw, dict):
            plain = {k: v for k, v in raw.items() if k != "copy"}
            pairs = {self.value(k, indices): self.value(v, indices, made=made) for k, v in plain.items()}
            return pairs | self._loops(raw.get("copy", []), indices or {}, made)
        return raw

    def _loops(self, loops: list[Any], indices: Indices, made: bool) -> dict[str, list[Any]]:  # noqa: FBT001
        return {
            loop["name"]: [
                self.value(loop["input"], {**indices, loop["name"]: i}, made=made)
                for i in range(self.value(loop["count"], indices))
            ]
            for loop in loops
        }

    def _parameter(self, name: str) -> Any:
        """As given, or by default, which may ask for other parameters."""
        if name not in self._template["parameters"]:
            raise TemplateError(f"there is no parameter {name}")
        declared = self._template["parameters"][name]
        if name not in self._given and "defaultValue" not in declared:
            raise TemplateError(f"the parameter {name} has no value")
        value = self._given[name] if name in self._given else self.value(declared["defaultValue"])
        size = value if isinstance(value, int) else len(value)
        low = declared.get("minValue", declared.get("minLength", size))
        high = declared.get("maxValue", declared.get("maxLength", size))
        if not isinstance(value, _TYPES[declared["type"]]) or not low <= size <= high:
            raise TemplateError(f"{value!r} is not possible for the parameter {name}")
        if value not in declared.get("allowedValues", [value]):
            raise TemplateError(f"{value!r} is not among the allowed values of the parameter {name}")
        return value

    def _variable(self, name: str) -> Any:
        if name in self._under_way:
            raise TemplateError(f"the variable {name} needs itself")
        if name not in self._variables:
            self._under_way.append(name)
            self._variables[name] = self._declared(name)
            self._under_way.pop()
        return self._variables[name]

    def _declared(self, name: str) -> Any:
        variables = self._template["variables"]
        if name in variables and name != "copy":
            return self.value(variables[name])
        loops = [loop for loop in variables.get("copy", []) if loop["name"] == name]
        if not loops:
            raise TemplateError(f"there is no variable {name}")
        return self._loops(loops, {}, made=False)[name]

    def _node(self, node: Node, indices: Indices, made: bool) -> Any:  # noqa: FBT001
        match node:
            case Literal(value):
                return value
            case Member(target, name):
                return _part(self._node(target, indices, made), name)
            case Item(target, index):
                return _part(self._node(target, indices, made), self._node(index, indices, made))
            case Call("if", (condition, yes, no)):
                return self._node(yes if self._node(condition, indices, made) else no, indices, made)
            case Call(name, arguments):
                return self._call(name, [self._node(a, indices, made) for a in arguments], indices, made)

    def _call(self, name: str, values: list[Any], indices: Indices, made: bool) -> Any:  # noqa: FBT001
        if name in ("reference", "listKeys"):
            return self._asked(name, *values, made=made)
        if name == "copyIndex":
            return _part(indices, values[0] if values else "")
        function = {"parameters": self._parameter, "variables": self._variable}.get(name) or FUNCTIONS.get(name)
        if not function:
            raise TemplateError(f"there is no function {name}")
        return function(*values)

    def _asked(self, name: str, identifier: str, version: str, *, made: bool) -> Mapping[str, str]:
        if not made:
            raise TemplateError(f"{name}({identifier}) stands where no resource is made yet")
        self.used.add((identifier, version))
        return {"primarySharedKey": SECRET} if name == "listKeys" else told(identifier)


def _part(target: Any, key: str | int) -> Any:
    try:
        return target[key]
    except (KeyError, IndexError, TypeError):
        raise TemplateError(f"there is no {key!r} in {target}") from None
