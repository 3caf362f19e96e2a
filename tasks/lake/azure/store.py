"""A lake in Azure Blob Storage, or in Azurite: a container per state. Compare-and-swap is by ETag."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, BlobServiceClient

from tasks.errors import FatalError, TransientError
from tasks.lake.azure.account import Account
from tasks.lake.azure.calls import Calls, Patience
from tasks.lake.azure.containers import Containers
from tasks.lake.azure.download import download_chunks
from tasks.lake.azure.errors import code
from tasks.lake.azure.upload import BlockUpload
from tasks.lake.store import CredentialProvider, Entry, Stored

_WRITERS = "writers"  # the metadata of a blob that names who wrote it
_REMEMBERED = 100  # writers of a swapped file, of 9 bytes each: metadata may have 8 KiB
_ABSENT = {"BlobNotFound", "ContainerNotFound"}
_CONFLICTS = {"BlobAlreadyExists", "ConditionNotMet", "BlobNotFound"}


class AzureStore:
    """Safe to use from several threads at once. Nothing is asked of the service before the first call."""

    def __init__(self, account: Account, patience: Patience | None = None) -> None:
        self._account = account
        self._patience = patience or Patience()
        self._call = Calls(account.url, self._patience)
        self._client = BlobServiceClient(
            account.url,
            credential=account.credential,
            retry_total=0,  # Calls tries again: it knows what may help
            connection_timeout=min(20.0, self._patience.timeout),
            read_timeout=self._patience.timeout,
        )
        self._containers = Containers(self._client, self._call)

    def read(self, path: str) -> Stored | None:
        def download() -> Stored | None:
            try:
                found = self._blob(path).download_blob()
            except ResourceNotFoundError as error:
                _check_absent(error)
                return None
            data = found.readall()
            return Stored(data, _tag(found.properties.etag, found.properties.metadata or {}))

        return self._call(f"Reading {path}", download)

    def chunks(self, path: str) -> Iterator[bytes]:
        for chunk in download_chunks(self._blob(path), self._call, f"Reading {path}"):
            if chunk is None:
                raise TransientError(
                    f"{path} is not in the lake {self._account.url}, or was replaced while it was read. Run again."
                )
            yield chunk

    def swap(self, path: str, data: bytes, etag: str | None) -> bool:
        tag, _, earlier = (etag or "").partition(" ")
        mine = secrets.token_hex(4)
        metadata = {_WRITERS: " ".join([*earlier.split(), mine][-_REMEMBERED:])}

        def put() -> bool:
            blob, unchanged = self._blob(path), MatchConditions.IfNotModified
            try:
                if etag is None:
                    blob.upload_blob(data, metadata=metadata)
                else:
                    blob.upload_blob(data, overwrite=True, metadata=metadata, etag=tag, match_condition=unchanged)
            except AzureError as error:
                if code(error) not in _CONFLICTS:
                    raise
                # Also what a second try meets when the answer to the first was lost, even if others have swapped since.
                return mine in self._writers(path)
            return True

        return self._call(f"Publishing {path}", lambda: self._containers.within(path.partition("/")[0], put))

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        blob = self._blob(path)

        def stage(name: str, block: bytes) -> None:
            def put() -> None:
                blob.stage_block(name, block, length=len(block), validate_content=True)

            self._call(f"Uploading a block of {path}", put)

        self._containers.make(path.partition("/")[0])
        with BlockUpload(stage) as file:
            try:
                yield cast("BinaryIO", file)
            except BaseException:
                file.check()  # what polars raises when a write fails says less than the upload's own error
                raise
            self._commit(path, *file.finish())

    def entries(self, prefix: str) -> Iterator[Entry]:
        container, _, name = prefix.partition("/")
        pages = self._client.get_container_client(container).list_blobs(name_starts_with=name or None).by_page()

        def page() -> list[Entry] | None:
            try:
                found = next(pages, None)
            except ResourceNotFoundError as error:
                _check_absent(error)
                return None
            # An empty page need not be the last one.
            return None if found is None else [Entry(f"{container}/{b.name}", b.size, b.last_modified) for b in found]

        while (listed := self._call(f"Listing {prefix}", page)) is not None:
            yield from listed

    def delete(self, path: str) -> None:
        def remove() -> None:
            try:
                self._blob(path).delete_blob()
            except ResourceNotFoundError as error:
                _check_absent(error)

        self._call(f"Deleting {path}", remove)

    def url(self, path: str) -> str:
        return f"az://{path}"

    @property
    def storage_options(self) -> dict[str, str | int]:
        patience = self._patience
        return {
            **self._account.storage_options,
            "timeout": f"{patience.timeout:g}s",
            "max_retries": patience.attempts,
            "retry_init_backoff_ms": round(patience.wait * 1000),
            "retry_max_backoff_ms": round(patience.longest_wait * 1000),
            # Else a single request that is never answered uses up the time for all tries.
            "retry_timeout_ms": round(patience.attempts * (patience.timeout + patience.longest_wait) * 1000),
        }

    @property
    def credential_provider(self) -> CredentialProvider | None:
        return self._account.credential_provider

    def _commit(self, path: str, blocks: list[str], rest: bytes) -> None:
        """Makes the blocks a blob, or the bytes where there are no blocks."""
        blob = self._blob(path)
        mine = secrets.token_hex(4)
        metadata = {_WRITERS: mine}

        def commit() -> bool:
            try:
                if blocks:
                    listed = [BlobBlock(name) for name in blocks]
                    missing = MatchConditions.IfMissing
                    blob.commit_block_list(listed, metadata=metadata, match_condition=missing)
                else:
                    blob.upload_blob(rest, metadata=metadata)
            except AzureError as error:
                if code(error) not in _CONFLICTS:
                    raise
                return mine in self._writers(path)  # the first try was served, and its answer lost
            return True

        if not self._call(f"Committing {path}", commit):
            raise FatalError(
                f"{path} is in the lake {self._account.url} already, and its files never change. Run again."
            )

    def _writers(self, path: str) -> list[str]:
        try:
            return str(self._blob(path).get_blob_properties().metadata.get(_WRITERS, "")).split()
        except ResourceNotFoundError:
            return []  # deleted by somebody in the meantime

    def _blob(self, path: str) -> BlobClient:
        container, _, name = path.partition("/")
        return self._client.get_blob_client(container, name)


def _check_absent(error: ResourceNotFoundError) -> None:
    """A blob and its container may be missing. That of an account is an error."""
    if code(error) not in _ABSENT:
        raise error


def _tag(etag: str, metadata: dict[str, str]) -> str:
    """The ETag, and behind it the last writers, which the next one passes on."""
    return f"{etag} {metadata.get(_WRITERS, '')}".strip()
