"""Power BI as the settings name it: which model, and the identity that may refresh it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azure.identity.aio import ClientSecretCredential, DefaultAzureCredential

from tasks.errors import ConfigurationError
from tasks.publish.power_bi.refresh import Model, PowerBi
from tasks.settings import Settings

# The SDK's own patience would hold up a machine without an identity for minutes.
_PATIENCE = {"connection_timeout": 5, "read_timeout": 10, "retry_total": 3}


def wanted_model(settings: Settings) -> Model:
    """Raises ConfigurationError when only one half of its name is set."""
    if settings.power_bi_workspace is None or settings.power_bi_dataset is None:
        raise ConfigurationError(
            "A semantic model of Power BI is named by both ETL_POWER_BI_WORKSPACE and ETL_POWER_BI_DATASET: only one "
            "of them is set. Set both, or neither for no refresh."
        )
    return Model(settings.power_bi_workspace, settings.power_bi_dataset)


@asynccontextmanager
async def open_power_bi(settings: Settings) -> AsyncIterator[PowerBi]:
    """With the service principal of the settings, or else with this machine's identity.

    Raises ConfigurationError for half a service principal."""
    async with _credential(settings) as credential, PowerBi(settings.power_bi_url, credential) as power_bi:
        yield power_bi


def _credential(settings: Settings) -> ClientSecretCredential | DefaultAzureCredential:
    if settings.power_bi_client_secret is None:
        # None, said aloud, would override AZURE_CLIENT_ID.
        chosen = {"managed_identity_client_id": settings.power_bi_client_id} if settings.power_bi_client_id else {}
        return DefaultAzureCredential(**chosen, **_PATIENCE)
    if settings.power_bi_tenant_id is None or settings.power_bi_client_id is None:
        raise ConfigurationError(
            "ETL_POWER_BI_CLIENT_SECRET is set, but not whose it is. Set ETL_POWER_BI_TENANT_ID and "
            "ETL_POWER_BI_CLIENT_ID too, or leave out the secret to use this machine's identity."
        )
    return ClientSecretCredential(
        settings.power_bi_tenant_id, settings.power_bi_client_id, settings.power_bi_client_secret.get_secret_value()
    )
