"""The lake's credentials from a block of prefect-azure."""

from dataclasses import dataclass
from typing import cast

from azure.identity import ClientSecretCredential
from prefect_azure import AzureBlobStorageCredentials
from pydantic import SecretStr

from tasks.errors import ConfigurationError


@dataclass(frozen=True)
class BlockContent:
    """A connection string, or an account's URL with a service principal, or with nothing for the machine's identity."""

    connection_string: SecretStr | None
    account_url: str | None
    principal: ClientSecretCredential | None


def load_block(name: str) -> BlockContent:
    """The block of that name on the Prefect API in force. Raises ConfigurationError where there is none."""
    try:
        # Also where an event loop runs, as in an asynchronous task.
        found = AzureBlobStorageCredentials.load(name, _sync=True)  # type: ignore[call-arg]
    except ValueError:
        raise ConfigurationError(
            f"ETL_LAKE_CREDENTIALS_BLOCK names {name}, and this Prefect API has no such block of the type Azure Blob "
            "Storage Credentials. `prefect block ls` lists those it has."
        ) from None
    block = cast("AzureBlobStorageCredentials", found)
    principal = None
    if block.client_id and block.tenant_id and block.client_secret:
        secret = block.client_secret.get_secret_value()
        principal = ClientSecretCredential(block.tenant_id, block.client_id, secret)
    return BlockContent(block.connection_string, block.account_url, principal)
