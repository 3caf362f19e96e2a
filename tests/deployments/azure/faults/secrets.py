"""Faults of secrets."""

from collections.abc import Mapping

from tests.deployments.azure.checks import secrets
from tests.deployments.azure.faults import Fault
from tests.deployments.azure.faults.changes import output, parameter, variable

FAULTS: Mapping[str, Fault] = {
    "a secret that is logged": (
        secrets.parameters_are_secure,
        parameter("sourceToken", type="string"),
        "the parameter sourceToken is a string",
    ),
    "a new secret that is logged": (
        secrets.parameters_are_secure,
        lambda t: t["parameters"].update(sqlPassword={"type": "string", "defaultValue": ""}),
        "the parameter sqlPassword is a string",
    ),
    "a secret by default": (
        secrets.parameters_are_secure,
        parameter("prefectSecret", defaultValue="pnu_1234"),
        "the secure parameter prefectSecret has a default",
    ),
    "a secret in an output": (
        secrets.secrets_stay_inside,
        output("token", "[parameters('sourceToken')]"),
        "the output token shows a secret",
    ),
    "a key in an output": (
        secrets.secrets_stay_inside,
        output("key", "[listKeys(variables('workspaceId'), '2025-02-01').primarySharedKey]"),
        "the output key shows a secret",
    ),
    "a secret in the worker's environment": (
        secrets.secrets_stay_inside,
        variable("prefectAddress", lambda settings: settings[0].update(value="[parameters('prefectSecret')]")),
        "containerGroups etl-worker shows a secret in /properties/containers/0/properties/environmentVariables/0/value",
    ),
    "a key written down": (
        secrets.nothing_is_written_down,
        lambda t: t["variables"].update(key="A" * 86 + "=="),
        "looks like a secret",
    ),
}
