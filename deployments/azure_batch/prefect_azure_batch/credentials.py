"""The block that says which Batch account, and how to sign in to it."""

from base64 import b64decode
from typing import TYPE_CHECKING, ClassVar, Self
from urllib.parse import urlsplit

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, field_validator, model_validator

if TYPE_CHECKING:
    from azure.batch.aio import BatchClient

    from prefect_azure_batch.service.client import SignsIn

_SERVICE_PRINCIPAL = ("tenant_id", "client_id", "client_secret")


class AzureBatchCredentials(Block):
    """Signs in with, of what is set, the first of: account key; service principal (tenant, client, secret);
    managed identity (client id); else DefaultAzureCredential: environment, the machine's identity, Azure CLI."""

    # Else an error about one field shows the others, with their secrets.
    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name: ClassVar[str | None] = "Azure Batch Credentials"
    _block_type_slug: ClassVar[str | None] = "azure-batch-credentials"
    _description: ClassVar[str | None] = "A Batch account, and how to sign in to it."
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl("https://learn.microsoft.com/azure/batch/")

    endpoint: str = Field(
        title="Account Endpoint",
        description="The URL of the account: https://ACCOUNT.REGION.batch.azure.com.",
        examples=["https://example.westeurope.batch.azure.com"],
    )
    client_id: str | None = Field(
        default=None,
        title="Client ID",
        description="Of a user-assigned managed identity, or of a service principal when tenant and secret are set.",
    )
    tenant_id: str | None = Field(default=None, title="Tenant ID", description="Of the service principal.")
    client_secret: SecretStr | None = Field(
        default=None, title="Client Secret", description="Of the service principal."
    )
    account_name: str | None = Field(
        default=None,
        title="Account Name",
        description="For the account key. Default: the first part of the endpoint's host.",
    )
    account_key: SecretStr | None = Field(
        default=None,
        title="Account Key",
        description="A shared key of the account; an identity is better, and an account may refuse keys.",
    )

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, endpoint: str) -> str:
        url = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        if url.scheme not in {"http", "https"} or not url.hostname or url.path.strip("/") or url.query or url.username:
            raise ValueError(
                f"{endpoint!r} is not the URL of a Batch account; give https://ACCOUNT.REGION.batch.azure.com"
            )
        return f"{url.scheme}://{url.netloc.lower()}"

    @field_validator("account_key")
    @classmethod
    def _is_base64(cls, key: SecretStr | None) -> SecretStr | None:
        try:
            b64decode(key.get_secret_value() if key else "", validate=True)
        except ValueError:
            raise ValueError("an account key is base64; copy the whole of it from the account's page Keys") from None
        return key or None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        missing = [name for name in _SERVICE_PRINCIPAL if getattr(self, name) is None]
        if missing and (self.tenant_id or self.client_secret):
            raise ValueError(
                f"a service principal needs {', '.join(_SERVICE_PRINCIPAL)}; {', '.join(missing)} is missing"
            )
        if self.account_key and self.client_secret:
            raise ValueError("account_key and client_secret exclude each other: set the one to sign in with")
        if self.endpoint.startswith("http:") and not self.account_key:
            raise ValueError("an endpoint with http:// needs account_key: tokens are sent over https:// only")
        return self

    @property
    def host(self) -> str:
        """The host of the endpoint, with its port if it has one, in lower case."""
        return urlsplit(self.endpoint).netloc

    def get_client(self, **options: float) -> "BatchClient":
        """The asynchronous client, which the caller closes. `options` are azure-core's (`retry_total`, ...)."""
        from azure.batch.aio import BatchClient  # here, for importing the SDK takes long  # noqa: PLC0415

        return BatchClient(self.endpoint, self.get_credential(), **options)

    def get_credential(self) -> "SignsIn":
        """What the SDK signs in with; a token credential has to be closed when its client is."""
        from azure.core.credentials import AzureNamedKeyCredential  # noqa: PLC0415
        from azure.identity.aio import (  # noqa: PLC0415
            ClientSecretCredential,
            DefaultAzureCredential,
            ManagedIdentityCredential,
        )

        if self.account_key:
            return AzureNamedKeyCredential(
                self.account_name or self.host.split(".")[0], self.account_key.get_secret_value()
            )
        if self.tenant_id and self.client_id and self.client_secret:
            return ClientSecretCredential(self.tenant_id, self.client_id, self.client_secret.get_secret_value())
        if self.client_id:
            return ManagedIdentityCredential(client_id=self.client_id)
        return DefaultAzureCredential()
