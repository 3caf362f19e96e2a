"""What some variables of the work pool are made of: names, sizes, references to secrets, a registry, an upload."""

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from batch_launcher.reference_syntax import EXAMPLE, is_reference
from prefect_azure_batch.configuration.blank_values import without_blank

_ANY_NAME = "^[A-Za-z_][A-Za-z0-9_]*$"
# The Prefect server checks these too, and a form that is left empty sends an empty string.
PoolId = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{0,64}$")]
Size = Annotated[str, StringConstraints(pattern="^([0-9]+(b|k|m|g|B|K|M|G)?)?$")]
Seconds = Annotated[float, Field(gt=0, le=10 * 365 * 86400)]


def are_names(env: dict[str, str | None]) -> dict[str, str | None]:
    """ValueError unless each may be the name of an environment variable."""
    for name in env:
        if not re.match(r"^[^=\s\0]+$", name):
            raise ValueError(f"{name!r} cannot be the name of an environment variable")
    return env


def are_references(secrets: dict[str, str]) -> dict[str, str]:
    """ValueError unless each is a reference to Key Vault under the name of an environment variable."""
    for name, reference in secrets.items():
        if not re.match(_ANY_NAME, name):
            raise ValueError(f"{name!r} is not a name of an environment variable")
        if not is_reference(reference):
            raise ValueError(f"{name}: not a reference of the form {EXAMPLE}")
    return secrets


class Registry(BaseModel):
    """A registry of container images that not anybody may pull."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    _given = model_validator(mode="before")(without_blank)

    server: str = Field(title="Server", description="Such as example.azurecr.io.")
    identity: str | None = Field(
        default=None,
        title="Identity",
        description="The resource id of a user-assigned identity of the pool that may pull; better than a password.",
    )
    username: str | None = Field(default=None, title="Username", description="Without an identity.")
    password: SecretStr | None = Field(
        default=None,
        title="Password",
        description="Without an identity; a Secret block, as prefect.blocks.secret.NAME.",
    )

    @model_validator(mode="after")
    def _signs_in_one_way(self) -> Self:
        if bool(self.identity) == bool(self.username and self.password):
            raise ValueError("give an identity, or a username and a password")
        return self


class Upload(BaseModel):
    """Files of a task that are kept in blob storage after it has ended."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    _given = model_validator(mode="before")(without_blank)

    container_url: SecretStr = Field(
        title="Container URL",
        description=(
            "Of a blob container that the identity may write to; or a Secret block, as prefect.blocks.secret.NAME, that"
            " has it with a signature, which all who can read the account can read."
        ),
    )
    identity: str | None = Field(
        default=None, title="Identity", description="The resource id of a user-assigned identity of the pool."
    )
    pattern: str = Field(
        default="../std*.txt", title="Files", description="Relative to the working directory; here: what was printed."
    )
    condition: Literal["tasksuccess", "taskfailure", "taskcompletion"] = Field(
        default="taskcompletion", title="When", description="After success, after failure, or always."
    )
