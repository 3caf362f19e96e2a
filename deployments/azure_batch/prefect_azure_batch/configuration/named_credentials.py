"""How job variables say which credentials block: by its name. A secret of one that stands there in clear is refused.

`prefect deploy` resolves `{{ prefect.blocks... }}` and `$ref` alike, and stores what they refer to in the deployment.
Only a name stays one until a run is submitted.
"""

import re
from collections.abc import Mapping
from typing import Any

from prefect_azure_batch.credentials import AzureBatchCredentials

_VARIABLE = "credentials"
_SECRETS: tuple[str, ...] = tuple(AzureBatchCredentials.model_json_schema()["secret_fields"])
# Not that of a block as the Prefect server shows it, nor a reference that is still to be resolved.
_CLEAR = r"^(?!\*+$|\s*\{\{)."
RIGHT_WAY = "name the block instead, as `credentials: NAME`, and renew a secret that stood here"


def by_name(name: str) -> str:
    """What Prefect resolves when a run is submitted: the block of this name, or what the reference already says."""
    return name if "{{" in name else f"{{{{ prefect.blocks.{AzureBatchCredentials.get_block_type_slug()}.{name} }}}}"


def secrets_in_clear(variables: Mapping[str, Any] | None) -> list[str]:
    """Which secrets of the credentials these job variables give away, by the names of their fields."""
    variables = variables or {}
    given = variables.get(_VARIABLE)
    prefix = f"{_VARIABLE}."
    dotted = {name.removeprefix(prefix): value for name, value in variables.items() if name.startswith(prefix)}
    fields = {**(given if isinstance(given, Mapping) else {}), **dotted}
    return [name for name in _SECRETS if re.match(_CLEAR, str(fields.get(name) or ""))]


def refusal_of(holder: str, variables: Mapping[str, Any] | None) -> str:
    """Why no task may be made by these job variables of the holder; empty where they give nothing away."""
    if not (names := secrets_in_clear(variables)):
        return ""
    return (
        f"The job variables of the {holder} hold a secret of its credentials in clear ({', '.join(names)}), where all"
        f" who can read it can: {RIGHT_WAY}."
    )


def with_names(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of the variables, by which the Prefect server takes a name, and refuses a secret in clear.

    Its refusal repeats what a `pattern` does not match; what `dependentRequired` misses it says without the secret.
    """
    credentials = schema["properties"][_VARIABLE]
    names = {"type": "string", "title": "Name of a Block"}
    credentials = credentials | {"anyOf": [credentials["anyOf"][0], names, *credentials["anyOf"][1:]]}
    refused = [
        {
            "if": {"properties": {name: {"type": "string", "pattern": _CLEAR}}},
            "then": {"dependentRequired": {name: [RIGHT_WAY]}},
        }
        for name in _SECRETS
    ]
    # Here and not at the variable, whose keywords the UI makes its form of.
    return schema | {
        "properties": schema["properties"] | {_VARIABLE: credentials},
        "dependentSchemas": {_VARIABLE: {"properties": {_VARIABLE: {"allOf": refused}}}},
    }
