"""Lakes in Azurite for tests, reached through the fault proxy or straight, with little patience."""

from pydantic import SecretStr

from tasks.lake import Lake, LakeCredentials
from tasks.lake.azure.account import find_account
from tasks.lake.azure.calls import Patience
from tasks.lake.azure.store import AzureStore
from tests.servers.azurite import StorageAccount

SHORT = Patience(attempts=8, wait=0.01, longest_wait=0.05, timeout=20)


def store_in(account: StorageAccount, url: str | None = None, patience: Patience = SHORT) -> AzureStore:
    """The account's store, at another URL such as that of a proxy in front of it."""
    credentials = LakeCredentials(account_key=SecretStr(account.key))
    return AzureStore(find_account(url or account.url, credentials), patience)


def lake_in(account: StorageAccount, url: str | None = None, patience: Patience = SHORT) -> Lake:
    return Lake(store_in(account, url, patience))
