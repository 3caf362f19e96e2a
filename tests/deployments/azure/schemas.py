"""Azure's own JSON schemas of resources, made strict: as published, a misspelt property passes."""

import functools
import json
from collections.abc import Mapping
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import referencing
import referencing.jsonschema

from tests.beside import BESIDE
from tests.deployments.azure.arm.resources import Resource

FOLDER = BESIDE / "arm_schemas"
Schema = dict[str, Any]


def errors(resource: Resource) -> list[str] | None:
    """What is wrong with the resource, resolved; None where there is no schema of its type in its API version."""
    found = _definition(resource.type, resource.api_version)
    if found is None:
        return None
    document, definition = found
    # Schemas disagree on whether the name of a child is all of it or the last part.
    names = {resource.name, resource.name.rpartition("/")[2]}
    schema = {"$ref": f"{document['id'].rstrip('#')}#/resourceDefinitions/{definition}"}
    validator = jsonschema.Draft4Validator(schema, registry=_registry())
    tries = [[_said(e) for e in validator.iter_errors({**resource.body, "name": name})] for name in sorted(names)]
    return min(tries, key=len)


def template_errors(template: Mapping[str, Any]) -> list[str]:
    """What is wrong with the template itself: parameters, outputs, and what every resource has."""
    document = json.loads((FOLDER / "deploymentTemplate.json").read_text(encoding="utf-8"))
    # It refers to every schema there is; those of the resources are looked at one by one.
    document["properties"]["resources"] = {"type": "array", "items": {"$ref": "#/definitions/ARMResourceBase"}}
    return [_said(error) for error in jsonschema.Draft4Validator(document, registry=_registry()).iter_errors(template)]


def _said(error: jsonschema.ValidationError) -> str:
    """The deepest reason: above it, an expression would also have been possible."""
    while error.context:
        error = max(error.context, key=lambda one: len(one.absolute_path))
    return f"/{'/'.join(str(part) for part in error.absolute_path)}: {error.message}"


@functools.cache
def _definition(kind: str, version: str) -> tuple[Schema, str] | None:
    for document in _documents():
        for name, definition in document.get("resourceDefinitions", {}).items():
            known = definition["properties"]
            if known["type"]["enum"] == [kind] and known["apiVersion"]["enum"] == [version]:
                return document, name
    return None


@functools.cache
def _documents() -> list[Schema]:
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("20*.json"))]
    for document in documents:
        _close(document)
    return documents


@functools.cache
def _registry() -> referencing.Registry[Schema]:
    common = json.loads((FOLDER / "definitions.json").read_text(encoding="utf-8"))
    draft = referencing.jsonschema.DRAFT4
    return referencing.Registry().with_resources(
        (document["id"].rstrip("#"), draft.create_resource(document)) for document in [common, *_documents()]
    )


def _close(schema: Any) -> None:
    """Objects that list their properties allow no others."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and schema.get("properties") and "allOf" not in schema:
            schema.setdefault("additionalProperties", False)
        for value in schema.values():
            _close(value)
    elif isinstance(schema, list):
        for item in schema:
            _close(item)
