"""A blob of any size, a chunk at a time: each is asked for again by itself when its answer does not come."""

from collections.abc import Iterator
from functools import partial

from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobClient, BlobProperties

from tasks.lake.azure.calls import Calls
from tasks.lake.azure.errors import code

CHUNK = 8 << 20  # bytes
_GONE = frozenset({"BlobNotFound", "ContainerNotFound", "ConditionNotMet"})


def download_chunks(blob: BlobClient, call: Calls, doing: str) -> Iterator[bytes | None]:
    """The chunks of one version of the blob. None for one that is not to be had any more, or where there is no blob."""
    found = call(doing, partial(_find, blob))
    if found is None:
        yield None
        return
    for offset in range(0, found.size, CHUNK):
        yield call(doing, partial(_read, blob, found, offset))


def _find(blob: BlobClient) -> BlobProperties | None:
    try:
        return blob.get_blob_properties()
    except AzureError as error:
        if code(error) not in _GONE:
            raise
        return None


def _read(blob: BlobClient, version: BlobProperties, offset: int) -> bytes | None:
    length, unchanged = min(CHUNK, version.size - offset), MatchConditions.IfNotModified
    try:
        found = blob.download_blob(offset, length, etag=version.etag, match_condition=unchanged)
        return bytes(found.readall())
    except AzureError as error:
        if code(error) not in _GONE:
            raise
        return None
