"""Bodies checked against the SDK's own models: required properties, types, enumerations, bounds and id rules."""

import datetime as dt
import enum
import functools
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azure.batch import models

from azure_batch_emulator.protocol.call import JsonObject
from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.times import moment, normal_duration
from azure_batch_emulator.protocol.validation.property_bounds import bound_of

MAX_TASKS = 100

Check = Callable[[Any, str], Any]
"""Value and its path in the body to the value in the service's form; raises BatchError."""


def validated(model: str, body: object) -> JsonObject:
    """The body in the service's form: enumerations in their own spelling, durations normal, nulls left out.

    Raises: BatchError MissingRequiredProperty, InvalidPropertyValue, InvalidRequestBody (unknown property, wrong type).
    """
    document: JsonObject = _document(_model_class(model))(body, "")
    return document


def validated_tasks(body: object) -> tuple[JsonObject, dict[int, BatchError]]:
    """A task collection, whose tasks are judged one by one: an unusable value spoils its task, not the request.

    Returns the body (rejected tasks as they came) and what was wrong with which of its tasks.
    """
    tasks = body.get("value") if isinstance(body, dict) else None
    if not isinstance(tasks, list):
        return validated("BatchTaskGroup", body), {}
    if len(tasks) > MAX_TASKS:
        raise invalid_value("value", f"{len(tasks)} tasks", f"A request may contain at most {MAX_TASKS} tasks")
    rejected: dict[int, BatchError] = {}
    accepted = []
    for index, task in enumerate(tasks):
        try:
            accepted.append(validated("BatchTaskCreateOptions", task))
        except BatchError as error:
            if error.code == "InvalidRequestBody":
                raise
            accepted.append(task)
            rejected[index] = error
    return {"value": accepted}, rejected


def model_properties(model: str) -> frozenset[str]:
    """The names of a model's properties on the wire."""
    return frozenset(_fields(_model_class(model)))


def invalid_value(name: str, value: object, reason: str) -> BatchError:
    """A property whose value the service does not take."""
    shown = {"PropertyName": name.rpartition(".")[2], "PropertyValue": str(value), "Reason": reason}
    return BatchError("InvalidPropertyValue", values=shown)


@dataclass(frozen=True)
class _Field:
    name: str
    annotation: Any
    required: bool
    writable: bool


@functools.cache
def _fields(model: type) -> dict[str, _Field]:
    annotations = typing.get_type_hints(model, vars(models), {"_models": models})
    found = {}
    for attribute, annotation in annotations.items():
        # The SDK describes its wire format in these attributes only.
        rest = getattr(model, attribute, None) if attribute[0] == "_" else model.__dict__.get(attribute)
        if rest is None or not hasattr(rest, "_visibility"):
            continue
        name = getattr(rest, "_rest_name_input", None) or attribute
        optional = type(None) in typing.get_args(annotation)
        writable = getattr(rest, "_visibility", None) != ["read"]
        found[name] = _Field(name, annotation, required=not optional and writable, writable=writable)
    return found


@functools.cache
def _document(model: type) -> Check:
    fields = {name: (field, _check(field.annotation)) for name, field in _fields(model).items()}
    bounds = {name: bound for name in fields if (bound := bound_of(model.__name__, name))}

    def check(value: Any, path: str) -> JsonObject:  # noqa: ANN401 - any JSON value
        if not isinstance(value, dict):
            raise _malformed(f"An object was expected at '{path or 'the body'}', not {_shown(value)}.")
        result: JsonObject = {}
        for name, item in value.items():
            if name not in fields or not fields[name][0].writable:
                raise _malformed(
                    f"The property '{name}' does not exist on type '{model.__name__}'. "
                    "Make sure to only use property names that are defined by the type."
                )
            if item is not None:
                result[name] = fields[name][1](item, f"{path}.{name}".lstrip("."))
                if name in bounds and not bounds[name].holds(result[name]):
                    raise invalid_value(name, result[name], bounds[name].reason)
        for name, (field, _) in fields.items():
            if field.required and name not in result:
                where = f"{path}.{name}".lstrip(".")
                raise BatchError("MissingRequiredProperty", values={"PropertyName": name, "PropertyPath": where})
        return result

    return check


def _check(annotation: Any) -> Check:  # noqa: ANN401 - a type expression
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is list:
        return _list_of(_check(arguments[0]))
    if origin is dict:
        return _map_of(_check(arguments[1]))
    if origin in (typing.Union, types.UnionType):
        kinds = [kind for kind in arguments if kind is not type(None)]
        enums = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, enum.Enum)]
        return _enum(enums[0]) if enums else _check(kinds[0])
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _enum(annotation)
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    # Models may contain themselves: looked up when a value is there.
    return _later(annotation)


def _later(model: type) -> Check:
    def check(value: Any, path: str) -> JsonObject:  # noqa: ANN401
        document: JsonObject = _document(model)(value, path)
        return document

    return check


def _list_of(check: Check) -> Check:
    def check_list(value: Any, path: str) -> list[Any]:  # noqa: ANN401
        if not isinstance(value, list):
            raise _malformed(f"An array was expected at '{path}', not {_shown(value)}.")
        return [check(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return check_list


def _map_of(check: Check) -> Check:
    def check_map(value: Any, path: str) -> JsonObject:  # noqa: ANN401
        if not isinstance(value, dict):
            raise _malformed(f"An object was expected at '{path}', not {_shown(value)}.")
        return {name: check(item, f"{path}.{name}") for name, item in value.items()}

    return check_map


def _enum(kind: type[enum.Enum]) -> Check:
    spellings = {str(member.value).lower(): str(member.value) for member in kind}

    def check_enum(value: Any, path: str) -> str:  # noqa: ANN401
        if isinstance(value, str) and value.lower() in spellings:
            return spellings[value.lower()]
        raise invalid_value(path, value, f"The value must be one of: {', '.join(spellings.values())}")

    return check_enum


def _scalar(kind: type | tuple[type, ...], name: str) -> Check:
    def check_scalar(value: Any, path: str) -> Any:  # noqa: ANN401
        # In Python a boolean is an integer, in JSON it is not.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _malformed(f"A value of type {name} was expected at '{path}', not {_shown(value)}.")
        return value

    return check_scalar


def _time(value: Any, path: str) -> str:  # noqa: ANN401
    try:
        moment(value if isinstance(value, str) else "")
    except ValueError:
        raise _malformed(f"An ISO 8601 time was expected at '{path}', not {_shown(value)}.") from None
    return str(value)


def _duration(value: Any, path: str) -> str:  # noqa: ANN401
    try:
        return normal_duration(value if isinstance(value, str) else "")
    except ValueError:
        raise _malformed(f"An ISO 8601 duration was expected at '{path}', not {_shown(value)}.") from None


_SCALARS: dict[Any, Check] = {
    str: _scalar(str, "Edm.String"),
    int: _scalar(int, "Edm.Int32"),
    float: _scalar((int, float), "Edm.Double"),
    bool: _scalar(bool, "Edm.Boolean"),
    dt.datetime: _time,
    dt.timedelta: _duration,
    Any: lambda value, _path: value,
}


def _shown(value: object) -> str:
    return f"a value of type {type(value).__name__}"


def _malformed(reason: str) -> BatchError:
    return BatchError("InvalidRequestBody", values={"Reason": reason})


def _model_class(name: str) -> type:
    # Some request models are not exported; they live beside the exported ones.
    found = getattr(models, name, None) or getattr(models._models, name)  # noqa: SLF001 - see above
    return typing.cast("type", found)
