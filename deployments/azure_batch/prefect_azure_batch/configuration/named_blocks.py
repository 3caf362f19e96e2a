"""How job variables say what is secret: by the name of a block. A secret that stands there in clear is refused.

`prefect deploy` resolves `{{ prefect.blocks... }}` and `$ref` alike, and stores what they refer to in the deployment.
Only a name, or a reference without braces, stays one until a run is submitted.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from prefect_azure_batch.credentials import AzureBatchCredentials

_REFERENCE = r"prefect\.blocks\.[\w.-]+"
# Not a secret as the Prefect server shows it, nor a reference that is still to be resolved.
_CLEAR = rf"^(?!\*+$|\s*\{{\{{|{_REFERENCE}$)."
_SIGNED = r"[?&]sig="  # a URL with a shared access signature


class _Secret(NamedTuple):
    variable: str
    field: str
    pattern: str
    right_way: str


_NAMED = "name the block instead, as `credentials: NAME`"
_GIVEN = "give an identity, or a Secret block, as `{}: prefect.blocks.secret.NAME`"
_OF_CREDENTIALS: list[str] = AzureBatchCredentials.model_json_schema()["secret_fields"]
_SECRETS = (
    *(_Secret("credentials", field, _CLEAR, _NAMED) for field in _OF_CREDENTIALS),
    _Secret("registry", "password", _CLEAR, _GIVEN.format("password")),
    _Secret("uploads", "container_url", _SIGNED, _GIVEN.format("container_url")),
)
_VARIABLES = frozenset(secret.variable for secret in _SECRETS)
_RENEW = "and renew a secret that stood here"


def with_references(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The job variables, with each name of a block as what Prefect resolves when a run is submitted. So are those of
    the defaults that nothing is given for."""
    left = _VARIABLES - {name.partition(".")[0] for name in given}
    whole = {name: value for name, value in defaults.items() if name in left} | dict(given)
    return {
        name: _as_reference(value, name) if name.partition(".")[0] in _VARIABLES else value
        for name, value in whole.items()
    }


def secrets_in_clear(variables: Mapping[str, Any] | None) -> dict[str, str]:
    """The secrets that these job variables give away, and how each is rightly said."""
    variables = variables or {}
    found = {f"{secret.variable}.{secret.field}": secret for secret in _SECRETS}
    return {
        name: secret.right_way
        for name, secret in found.items()
        if any(re.search(secret.pattern, str(value or "")) for value in _values(variables, secret))
    }


def refusal_of(holder: str, variables: Mapping[str, Any] | None) -> str:
    """Why no task may be made by these job variables of the holder; empty where they give nothing away."""
    if not (found := secrets_in_clear(variables)):
        return ""
    return (
        f"The job variables of the {holder} hold a secret in clear ({', '.join(found)}), where all who can read it can:"
        f" {'; '.join(dict.fromkeys(found.values()))}; {_RENEW}."
    )


def with_names(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of the variables, by which the Prefect server takes a name, and refuses a secret in clear.

    Its refusal repeats what a `pattern` does not match; what `dependentRequired` misses it says without the secret.
    """
    credentials = schema["properties"]["credentials"]
    names = {"type": "string", "title": "Name of a Block"}
    credentials = credentials | {"anyOf": [credentials["anyOf"][0], names, *credentials["anyOf"][1:]]}
    # Here and not at the variable, whose keywords the UI makes its form of.
    refused = {variable: {"properties": {variable: _refusing(variable)}} for variable in sorted(_VARIABLES)}
    return schema | {
        "properties": schema["properties"] | {"credentials": credentials},
        "dependentSchemas": refused,
    }


def _refusing(variable: str) -> dict[str, Any]:
    """Of an object, or of each in a list."""
    refused = [
        {
            "if": {"properties": {secret.field: {"type": "string", "pattern": secret.pattern}}},
            "then": {"dependentRequired": {secret.field: [f"{secret.right_way}, {_RENEW}"]}},
        }
        for secret in _SECRETS
        if secret.variable == variable
    ]
    return {"allOf": refused, "items": {"allOf": refused}}


def _values(variables: Mapping[str, Any], secret: _Secret) -> Iterator[object]:
    given = variables.get(secret.variable)
    for one in given if isinstance(given, list) else [given]:
        if isinstance(one, Mapping):
            yield one.get(secret.field)
    yield variables.get(f"{secret.variable}.{secret.field}")


def _as_reference(value: Any, variable: str = "") -> Any:  # noqa: ANN401 - what a job variable may be
    if isinstance(value, Mapping):
        return {name: _as_reference(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_as_reference(inner) for inner in value]
    if isinstance(value, str) and re.fullmatch(_REFERENCE, value):
        return f"{{{{ {value} }}}}"
    if variable == "credentials" and isinstance(value, str) and "{{" not in value:
        return f"{{{{ prefect.blocks.{AzureBatchCredentials.get_block_type_slug()}.{value} }}}}"
    return value
