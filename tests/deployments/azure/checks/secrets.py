"""No secret is written down, and none comes out."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.deployments.azure.arm.deployment import Deployment
from tests.deployments.azure.arm.resources import SECRET

_SUSPICIOUS = re.compile(r"password|passwd|secret|token|credential|(^|[a-z_])key$", re.IGNORECASE)
# Names of secrets, and references to them, which are none.
_NAMES = re.compile(r"(Name|Reference|Url|Id)$")
# Where a secret may go: the vault, and the key by which the container group sends its log.
_SINKS = {
    ("Microsoft.KeyVault/vaults/secrets", "/properties/value"),
    ("Microsoft.ContainerInstance/containerGroups", "/properties/diagnostics/logAnalytics/workspaceKey"),
}


def parameters_are_secure(deployment: Deployment) -> list[str]:
    parameters: Mapping[str, Mapping[str, Any]] = deployment.template["parameters"]
    return [
        *(
            f"the parameter {name} is a {one['type']}, and its value would stand in the log of deployments"
            for name, one in parameters.items()
            if _SUSPICIOUS.search(name) and not _NAMES.search(name) and not one["type"].startswith("secure")
        ),
        *(
            f"the secure parameter {name} has a default"
            for name, one in parameters.items()
            if one["type"].startswith("secure") and one.get("defaultValue")
        ),
    ]


def secrets_stay_inside(deployment: Deployment) -> list[str]:
    """Given with the secure parameters set to SECRET, which then is found wherever it went."""
    leaks = [
        f"{resource.label} shows a secret in {path}"
        for resource in deployment.active
        for path, text in _leaves(resource.body)
        if SECRET in text and (resource.type, path) not in _SINKS
    ]
    shown = [name for name, value in deployment.outputs.items() if SECRET in str(value)]
    return [*leaks, *(f"the output {name} shows a secret" for name in shown)]


def nothing_is_written_down(deployment: Deployment) -> list[str]:
    """Account keys are 64 or more characters of base64; signatures carry sig=."""
    text = json.dumps(deployment.template)
    found = re.findall(r"[A-Za-z0-9+/]{60,}={1,2}|[?&]sig=|AccountKey=|(?:Pwd|Password)=", text)
    return [f"{one[:8]}... looks like a secret" for one in found]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}/{key}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{path}/{i}")
    else:
        yield path, str(value)
