"""Parameters that a person gives, and the template deployed with them."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from tests.deployments.azure.arm.deployment import Deployment, deploy, load_template
from tests.deployments.azure.arm.resources import SECRET

OPERATORS = "33333333-4444-5555-6666-777777777777"
REQUIRED: Mapping[str, Any] = {
    "prefectApiUrl": "https://prefect.example.com/api",
    "operatorsId": OPERATORS,
    "operatorsName": "etl-operators",
}
FULL: Mapping[str, Any] = {
    **REQUIRED,
    "prefectSecret": SECRET,
    "sourceToken": SECRET,
    "imageTag": "2026-11-22",
}
# The ways in which the README has it called, and the ends of what the parameters allow.
CASES: Mapping[str, Mapping[str, Any]] = {
    "first: no image yet": REQUIRED,
    "first, from outside the network": {**REQUIRED, "operatorAddresses": ["203.0.113.7", "198.51.100.4"]},
    "second: with the image": {**REQUIRED, "imageTag": "2026-11-22"},
    "all at once": FULL,
    "all at once, from outside": {**FULL, "operatorAddresses": ["203.0.113.7"]},
    "a Prefect server without a secret": {**FULL, "prefectSecretName": "", "prefectSecret": ""},
    "a user who operates": {**FULL, "operatorsType": "User", "operatorsName": "jo@example.com"},
    "the pool left alone": {**FULL, "makePool": False},
    "a tag of many signs": {**FULL, "imageTag": "v1.2.3_rc.4-" + "x" * 100},
    "nodes of an older system": {**FULL, "ubuntu": "22.04"},
    "the longest name": {**FULL, "name": "abcdefghij"},
    "the shortest name": {**FULL, "name": "ab"},
}


def deployed(given: Mapping[str, Any], change: Callable[[dict[str, Any]], object] | None = None) -> Deployment:
    """The template, with `change` applied to a copy of it."""
    template = copy.deepcopy(load_template())
    if change:
        change(template)
    return deploy(template, given)
