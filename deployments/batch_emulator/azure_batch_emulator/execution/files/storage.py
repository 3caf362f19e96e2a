"""How a node reaches blob storage: by the signature in a URL, or by an identity of its pool.

There is no managed identity on a developer's machine. An identity stands for the account key where the emulator was
given one (Azurite's), and for whoever is signed in to Azure elsewhere. The storage SDK takes longer to import than all
the rest of the emulator, so it is imported by the first task that needs it.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.credentials_async import AsyncTokenCredential

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, ContainerClient

# https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
AZURITE = {
    "devstoreaccount1": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
}


@dataclass(frozen=True)
class Storage:
    """`keys` by account name. `auto_storage_url` is the account linked to the Batch account, None where none is."""

    keys: Mapping[str, str] = field(default_factory=lambda: dict(AZURITE))
    auto_storage_url: str | None = None
    retries: int = 2

    @asynccontextmanager
    async def container(self, url: str, *, identity: bool) -> "AsyncIterator[ContainerClient]":
        from azure.storage.blob.aio import ContainerClient  # noqa: PLC0415 - slow

        async with self._credential(url, identity=identity) as credential:
            client = ContainerClient.from_container_url(url, credential=credential, retry_total=self.retries)
            async with client:
                yield client

    @asynccontextmanager
    async def blob(self, url: str, *, identity: bool) -> "AsyncIterator[BlobClient]":
        from azure.storage.blob.aio import BlobClient  # noqa: PLC0415 - slow

        async with self._credential(url, identity=identity) as credential:
            client = BlobClient.from_blob_url(url, credential=credential, retry_total=self.retries)
            async with client:
                yield client

    @asynccontextmanager
    async def _credential(
        self, url: str, *, identity: bool
    ) -> AsyncIterator[AzureNamedKeyCredential | AsyncTokenCredential | None]:
        account = account_name(url)
        if not identity:
            yield None
        elif account in self.keys:
            yield AzureNamedKeyCredential(account, self.keys[account])
        else:
            from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - slow

            async with DefaultAzureCredential() as signed_in:
                yield signed_in


def account_name(url: str) -> str:
    """`lake` of `https://lake.blob.core.windows.net/c` and of an emulator's `http://127.0.0.1:10000/lake/c`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host == "localhost" or host.replace(".", "").isdigit() or "." not in host:
        return parts.path.strip("/").split("/")[0]
    return host.split(".")[0]


def without_signature(url: str) -> str:
    """For messages: the query of a URL holds its signature."""
    return url.split("?", 1)[0]
