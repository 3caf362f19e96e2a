"""Values for the work pool's variables as a person writes them: `image=x`, `env.NAME=x`, or a file of JSON."""

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prefect_azure_batch.service.errors import ConfigurationError

Schema = Mapping[str, Any]
_JOINED = frozenset({"env", "secrets", "labels"})  # what a file says of them is added to what is there


@dataclass(frozen=True)
class Assignment:
    """The value of a variable, or of one `key` of it. One that is empty, None or "", takes the default away."""

    variable: str
    key: str
    value: Any

    def __str__(self) -> str:
        return f"{self.variable}.{self.key}" if self.key else self.variable


def parse(text: str, schema: Schema) -> Assignment:
    """`NAME=VALUE` or `NAME.KEY=VALUE`, the value by the variable's type in the schema: text, or else JSON.

    Raises ConfigurationError for what is neither, and for a name that no variable has.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigurationError(f"{text!r} is not of the form NAME=VALUE.")
    variable, _, key = name.strip().partition(".")
    _check_name(variable, schema)
    return Assignment(variable, key, _typed(value, _alternatives(variable, key, schema)))


def from_json(text: str, schema: Schema) -> list[Assignment]:
    """What an object of variables says, or the `jobVariables` among the outputs of an ARM deployment.

    Raises ConfigurationError for anything else.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"This is not JSON: {error}.") from None
    for wrapping in ("jobVariables", "value"):
        if isinstance(found, dict) and wrapping in found:
            found = found[wrapping]
    if not isinstance(found, dict):
        raise ConfigurationError('The JSON has to be an object of variables, such as {"image": "..."}.')
    result = []
    for name, value in found.items():
        _check_name(name, schema)
        if name in _JOINED and isinstance(value, dict):
            result += [Assignment(name, key, one) for key, one in value.items()]
        else:
            result.append(Assignment(name, "", value))
    return result


def assign(defaults: Mapping[str, Any], assignments: Iterable[Assignment]) -> dict[str, Any]:
    """The defaults after all of them, the last of the same name standing."""
    result = dict(defaults)
    for one in assignments:
        before = result.get(one.variable)
        value = _with(before if isinstance(before, dict) else {}, one.key, one.value) if one.key else one.value
        result = _with(result, one.variable, value)
    return result


def _with(values: Mapping[str, Any], name: str, value: object) -> dict[str, Any]:
    others = {key: kept for key, kept in values.items() if key != name}
    return others if value in (None, "", {}) else {**others, name: value}


def _check_name(name: str, schema: Schema) -> None:
    known = schema["properties"]
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}."
        raise ConfigurationError(f"{name}: no variable of the work pool has this name; {hint}")


def _alternatives(variable: str, key: str, schema: Schema) -> list[Mapping[str, Any]]:
    """What the value may be: the schemas of a variable, or of one key of it."""
    found = _resolved(schema["properties"][variable], schema)
    if not key:
        return found
    inner = [one["properties"][key] for one in found if key in one.get("properties", {})]
    inner += [one["additionalProperties"] for one in found if isinstance(one.get("additionalProperties"), dict)]
    return [each for one in inner for each in _resolved(one, schema)]


def _resolved(field: Mapping[str, Any], schema: Schema) -> list[Mapping[str, Any]]:
    if "$ref" in field:
        return [schema["definitions"][field["$ref"].rpartition("/")[2]]]
    return [each for one in field["anyOf"] for each in _resolved(one, schema)] if "anyOf" in field else [field]


def _typed(text: str, alternatives: list[Mapping[str, Any]]) -> Any:  # noqa: ANN401 - any JSON value
    if any(one.get("type") == "string" for one in alternatives):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text  # a name of a block, or what the validation refuses
