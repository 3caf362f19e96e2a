"""What a lake in a storage account is opened with, as settings give it."""

from pydantic import BaseModel, ConfigDict, SecretStr


class LakeCredentials(BaseModel):
    """At most one of these. With none of them: the machine's identity, and for Azurite its published key."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    connection_string: SecretStr | None = None
    account_key: SecretStr | None = None
    block: str | None = None  # the name of an AzureBlobStorageCredentials block
