"""The lake that this process's settings name."""

from tasks.lake.azure.credentials import LakeCredentials
from tasks.lake.lake import Lake, open_lake
from tasks.settings import load_settings


def configured_lake() -> Lake:
    """Raises what `load_settings` and `open_lake` raise."""
    settings = load_settings()
    credentials = LakeCredentials(
        connection_string=settings.lake_connection_string,
        account_key=settings.lake_account_key,
        block=settings.lake_credentials_block,
    )
    return open_lake(settings.lake_url, credentials)
